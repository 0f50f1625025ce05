"""Visualizer of scenes with detections and queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.textpath import TextPath
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.registry import VISUALIZERS


@VISUALIZERS.register_module()
class PersonSearchLocalVisualizer(DetLocalVisualizer):
    """Visualizer of detections with their scores, and of queries in another color.

    ``DetVisualizationHook`` of MMDetection calls it. With ground truth, the left half of the picture shows the
    annotated persons, labelled ones with their identities and unlabelled ones dashed, and regions to ignore dotted in
    gray; the right half shows the detections.
    """

    DETECTION_COLOR, QUERY_COLOR, GT_COLOR = (0, 114, 178), (255, 176, 0), (0, 158, 115)  # RGB
    IGNORED_COLOR = (160, 160, 160)

    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: DetDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        **kwargs: object,
    ) -> None:
        """Draw one image; show it, write it to a file or pass it to the backends.

        Args:
            name: Name of the picture.
            image: (h, w, 3) RGB in [0, 255].
            data_sample: ``gt_instances`` (``bboxes``, ``person_ids``), ``ignored_instances`` (``bboxes``),
                ``pred_instances`` (``bboxes``, ``scores``) and ``query_instances`` (``bboxes``, ``query_ids``), all
                optional, in pixels of ``image``.
            draw_gt: Whether to draw ``gt_instances``.
            draw_pred: Whether to draw ``pred_instances``.
            kwargs: Arguments of the base class, such as ``out_file`` and ``pred_score_thr``.
        """
        sample = DetDataSample() if data_sample is None else data_sample.cpu()
        self._queries, self._ignored = sample.get("query_instances"), sample.get("ignored_instances")
        draw_gt, draw_pred = draw_gt and "gt_instances" in sample, draw_pred and "pred_instances" in sample
        super().add_datasample(name, image, sample, draw_gt, draw_pred, **kwargs)

    def _draw_instances(
        self, image: np.ndarray, instances: InstanceData, classes: object, palette: object
    ) -> np.ndarray:
        """Draw annotated persons or detections (which have scores), then the queries."""
        taken: list[np.ndarray] = []
        if "scores" in instances:
            texts = [f"{100 * score:.0f}" for score in instances.scores.tolist()]
            image = self._draw_boxes(image, instances.bboxes, texts, self.DETECTION_COLOR, taken)
        else:
            ids = instances.get("person_ids", torch.full((len(instances.bboxes),), -1)).tolist()
            texts, styles = [self._name_identity(i) for i in ids], ["-" if i >= 0 else "--" for i in ids]
            image = self._draw_boxes(image, instances.bboxes, texts, self.GT_COLOR, taken, line_styles=styles)
            if self._ignored is not None:
                texts = ["ignored"] * len(self._ignored.bboxes)
                image = self._draw_boxes(image, self._ignored.bboxes, texts, self.IGNORED_COLOR, taken, line_styles=":")
        if self._queries is None:
            return image
        texts = [f"query {i}" for i in self._queries.query_ids.tolist()]
        return self._draw_boxes(image, self._queries.bboxes, texts, self.QUERY_COLOR, taken, below=True)

    def _name_identity(self, person_id: int) -> str:
        """Name an identity by its number in the annotations, in training with the label that the model learns."""
        if person_id < 0:
            return ""
        identities = (self.dataset_meta or {}).get("identities")
        return f"id {person_id}" if identities is None else f"id {identities[person_id]} (label {person_id})"

    def _draw_boxes(
        self,
        image: np.ndarray,
        bboxes: Tensor,
        texts: Sequence[str],
        color: tuple[int, int, int],
        taken: list[np.ndarray],
        line_styles: str | list[str] = "-",
        below: bool = False,
    ) -> np.ndarray:
        """Draw boxes with texts at places that are not ``taken``; see :func:`place_labels`."""
        if len(bboxes) == 0:
            return image
        height, width = image.shape[:2]
        limits = torch.tensor([width - 1, height - 1, width - 1, height - 1])
        bboxes = getattr(bboxes, "tensor", bboxes).float().clamp(min=0).minimum(limits)
        self.set_image(image)
        self.draw_bboxes(
            bboxes, edge_colors=color, alpha=self.alpha, line_widths=self.line_width, line_styles=line_styles
        )
        font_size = max(7, round((height * width) ** 0.5 / 60))
        sizes = self._label_sizes(texts, font_size)
        corners = place_labels(bboxes.numpy(), sizes, (width, height), taken, below)
        for text, size, corner in zip(texts, sizes, corners):
            if text:
                self.draw_texts(
                    text,
                    corner + size / 2,
                    font_sizes=font_size,
                    colors="white" if sum(color) < 384 else "black",
                    vertical_alignments="center",
                    horizontal_alignments="center",
                    bboxes=dict(facecolor=tuple(c / 255 for c in color), alpha=0.8, pad=0.7, edgecolor="none"),
                )
        return self.get_image()

    def _label_sizes(self, texts: Sequence[str], font_size: float) -> np.ndarray:
        """Compute (n, 2) width and height in pixels of texts with their background."""
        size = font_size * self.fig_save.dpi / 72
        widths = [TextPath((0, 0), text, size=size).get_extents().width + 4 if text else 0.0 for text in texts]
        return np.stack([widths, np.full(len(texts), 1.25 * size + 2)], axis=1)


def place_labels(
    bboxes: np.ndarray,
    sizes: np.ndarray,
    image_size: tuple[int, int],
    taken: list[np.ndarray],
    below: bool = False,
) -> np.ndarray:
    """Place a label at each box, so that labels overlap least.

    The candidates are above and below the upper edge of the box, at its left and then at its right; the same at the
    lower edge; then places further away by the height of a label. The first of least overlap is chosen.

    Args:
        bboxes: (n, 4) xyxy in pixels.
        sizes: (n, 2) width and height of the labels; labels of width 0 are skipped.
        image_size: Width and height of the image, in which labels stay.
        taken: xyxy of labels that are placed already; the new ones are appended.
        below: Whether to begin at the lower edge.

    Returns:
        (n, 2) upper left corners.
    """
    corners = np.zeros((len(bboxes), 2))
    for corner, bbox, size in zip(corners, bboxes, sizes):
        if size[0] > 0:
            candidates = _candidates(bbox, size, below).clip(0, np.maximum(np.array(image_size) - size, 0))
            labels = np.concatenate([candidates, candidates + size], axis=1)
            best = int(np.argmin(_covered(labels, taken)))  # the first of equals
            corner[:] = candidates[best]
            taken.append(labels[best])
    return corners


def _candidates(bbox: np.ndarray, size: np.ndarray, below: bool) -> np.ndarray:
    (x1, y1, x2, y2), (width, height) = bbox, size
    upper, lower = (y1 - height, y1), (y2 - height, y2)
    edges = [lower, upper] if below else [upper, lower]
    edges += [(y1 - 2 * height, y1 + height), (y2 - 2 * height, y2 + height)]
    return np.array([(left, top) for tops in edges for left in (x1, x2 - width) for top in tops])


def _covered(labels: np.ndarray, taken: list[np.ndarray]) -> np.ndarray:
    """Compute (m,) the area in pixels of others that each label covers."""
    others = np.array(taken).reshape(-1, 4)
    starts = np.maximum(labels[:, None, :2], others[:, :2])
    ends = np.minimum(labels[:, None, 2:], others[:, 2:])
    return (ends - starts).clip(0).prod(2).sum(1)
