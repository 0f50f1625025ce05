"""Pictures of proposals for a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from mmpersonsearch.utils.errors import InputError

from .curve_plots import COLORS, PAGE_WIDTH, STYLE
from .ranking_picture import OTHER, QUERY


@dataclass
class ProposalRow:
    """Proposals in one gallery image.

    Attributes:
        title: Of the image.
        image: The image.
        true_bbox: (4,) box of the query's person, xyxy in pixels of the image; None where it does not show them.
        proposals: (n, 4) boxes, best first, by what proposed them.
    """

    title: str
    image: Image.Image
    true_bbox: np.ndarray | None
    proposals: Mapping[str, np.ndarray]


def plot_proposals(title: str, query: Image.Image, query_bbox: np.ndarray, rows: Sequence[ProposalRow]) -> Figure:
    """Plot the proposals of gallery images side by side, one column for each that proposes; first the query.

    The best proposal has the strongest line. The true box is dashed.

    Args:
        title: Of the query.
        query: The query's image.
        query_bbox: (4,) its box, xyxy in pixels.
        rows: All with the same proposers.

    Raises:
        InputError: There is no row.
    """
    if not rows:
        raise InputError("plot_proposals: no gallery image to draw")
    names = list(rows[0].proposals)
    cell = 2 * PAGE_WIDTH / (1 + len(names))
    size = (2 * PAGE_WIDTH, cell * 0.75 * len(rows) + 0.4)
    with rc_context({**STYLE, "axes.grid": False}):
        figure = Figure(figsize=size, layout="constrained")
        cells = figure.subplots(len(rows), 1 + len(names), squeeze=False)
        for axes in cells[1:, 0]:
            axes.set_axis_off()
        _show(cells[0, 0], query, title)
        _draw_box(cells[0, 0], query_bbox, color=QUERY, linewidth=2)
        for row, line in zip(rows, cells[:, 1:]):
            for number, (name, axes) in enumerate(zip(names, line)):
                _show(axes, row.image, f"{name}, {row.title}")
                boxes = row.proposals[name]
                for rank, box in reversed(list(enumerate(boxes))):
                    strength = 1 - rank / len(boxes)
                    style = dict(linewidth=0.5 + 1.5 * strength, alpha=0.3 + 0.7 * strength)
                    _draw_box(axes, box, color=COLORS[number], **style)
                if row.true_bbox is not None:
                    _draw_box(axes, row.true_bbox, color=OTHER, linewidth=1.5, linestyle="--")
    return figure


def _show(axes: Axes, image: Image.Image, title: str) -> None:
    axes.imshow(image)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=7, parse_math=False)


def _draw_box(axes: Axes, box: np.ndarray, **style: object) -> None:
    x1, y1, x2, y2 = (float(number) for number in box)
    axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, **style))
