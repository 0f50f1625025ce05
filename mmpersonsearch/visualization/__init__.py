"""Figures and pictures of results."""

from mmpersonsearch.utils.scene_files import open_scene

from .curve_plots import (
    plot_detection,
    plot_gallery_sizes,
    plot_precision_recall,
    plot_rcp_parameters,
    run_title,
)
from .embedding_plots import plot_center_similarities, plot_embeddings
from .proposal_plots import ProposalRow, plot_proposals
from .ranking_picture import ap_title, draw_crop_ranking, draw_ranking, query_titles
from .timeline_plot import Appearance, plot_timeline
from .training_plots import plot_loss_weights, plot_training

__all__ = [
    "Appearance",
    "ProposalRow",
    "ap_title",
    "draw_crop_ranking",
    "draw_ranking",
    "open_scene",
    "plot_center_similarities",
    "plot_detection",
    "plot_embeddings",
    "plot_gallery_sizes",
    "plot_loss_weights",
    "plot_precision_recall",
    "plot_proposals",
    "plot_rcp_parameters",
    "plot_timeline",
    "plot_training",
    "query_titles",
    "run_title",
]

try:
    from .local_visualizer import PersonSearchLocalVisualizer

    __all__ += ["PersonSearchLocalVisualizer"]
except ModuleNotFoundError as error:
    # The other functions do not need MMDetection and MMCV.
    if error.name.partition(".")[0] not in ("mmdet", "mmcv"):
        raise
