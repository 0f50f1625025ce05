"""Pictures of what was found."""

from .ranking_picture import draw_ranking

__all__ = ["draw_ranking"]

try:
    from .local_visualizer import PersonSearchLocalVisualizer

    __all__ += ["PersonSearchLocalVisualizer"]
except ModuleNotFoundError as error:
    # Ranking pictures also serve where MMDetection or MMCV is not installed.
    if error.name not in ("mmdet", "mmcv"):
        raise
