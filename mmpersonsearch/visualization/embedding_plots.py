"""Figures of embeddings: persons' in the plane, and how similar identities' centers are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from mmpersonsearch.utils.errors import InputError

from .curve_plots import COLORS, MARKERS, PAGE_WIDTH, STYLE, without_formulas

_LINES = ("-", "--", ":", "-.")


def plot_embeddings(runs: Mapping[str, tuple[np.ndarray, np.ndarray]], identities: Sequence[int]) -> Figure:
    """Embeddings in the plane, a panel a run (figure 4, a and b, of the FDPS paper).

    Args:
        runs: For each run (n, 2) positions and (n,) identities.
        identities: They differ by color and marker.

    Raises:
        InputError: No run, or no identity or more than can be told apart.
    """
    most = len(COLORS) * len(MARKERS)
    if not runs or not 0 < len(identities) <= most:
        raise InputError(f"expected runs and 1 to {most} identities, got {len(runs)} and {len(identities)}")
    num_columns, side = min(len(runs), 2), PAGE_WIDTH / 2
    num_rows = -(-len(runs) // num_columns)
    legend_rows = -(-len(identities) // (4 * num_columns))
    with rc_context({**STYLE, "axes.grid": False, "axes.spines.top": True, "axes.spines.right": True}):
        figure = Figure(figsize=(num_columns * side, num_rows * side + 0.2 * (1 + legend_rows)), layout="constrained")
        panels = figure.subplots(num_rows, num_columns, squeeze=False).flatten()
        for axes in panels[len(runs) :]:
            axes.set_axis_off()
        for axes, (run, (positions, person_ids)) in zip(panels, runs.items()):
            axes.set(xticks=[], yticks=[])  # the axes of a t-SNE mean nothing
            axes.set_aspect("equal", adjustable="datalim")
            axes.set_title(run, parse_math=False)
            for number, identity in enumerate(identities):
                points = positions[person_ids == identity]
                color, marker = COLORS[number % len(COLORS)], MARKERS[(number + number // len(COLORS)) % len(MARKERS)]
                axes.scatter(*points.T, s=16, c=color, marker=marker, linewidths=0, label=str(identity))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, title="Identity", loc="outside lower center", ncols=4 * num_columns)
    return figure


def plot_center_similarities(edges: Sequence[float], runs: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Histograms of the similarities of identities' centers (figure 4, c, of the FDPS paper).

    Args:
        edges: (B + 1,) limits of the bins, ascending.
        runs: For each run ``{"shares": (B,) of all pairs, in [0, 1], "mean": number}``.

    Raises:
        InputError: No run, or more than can be told apart.
    """
    most = len(_LINES)
    if not 0 < len(runs) <= most:
        raise InputError(f"a figure shows 1 to {most} runs, got {len(runs)}: {', '.join(runs)}")
    with rc_context(STYLE):
        figure = Figure(figsize=(PAGE_WIDTH / 2 + 1, 2.8), layout="constrained")
        axes = figure.subplots()
        axes.set_axisbelow(True)
        for number, (run, found) in enumerate(runs.items()):
            percent, style = 100 * np.asarray(found["shares"]), dict(color=COLORS[number], linestyle=_LINES[number])
            axes.stairs(percent, edges, fill=True, color=COLORS[number], alpha=0.15, linewidth=0)
            axes.stairs(percent, edges, label=f"{run} (mean {found['mean']:.2f})", linewidth=1.3, **style)
        used = np.flatnonzero(np.sum([found["shares"] for found in runs.values()], axis=0))
        axes.set(
            xlabel="Cosine similarity of two identities' centers",
            ylabel="Pairs (%)",
            xlim=(edges[max(0, used[0] - 1)], edges[min(len(edges) - 1, used[-1] + 2)]),
            ylim=(0, None),
        )
        without_formulas(axes.legend())
    return figure
