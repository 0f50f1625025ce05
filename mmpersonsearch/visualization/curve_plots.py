"""Plots of search metrics by gallery size or RCP's parameters; precision-recall curves.

All take fractions in [0, 1] and show percent. They are readable in black and white: runs differ by marker or panel, and
plain similarity has dashed lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from matplotlib.transforms import ScaledTranslation
from scipy.optimize import isotonic_regression

from mmpersonsearch.utils.errors import InputError

METRICS = ("mAP", "top-1")
MARKERS = "o^sDvPX*"
# Colors after Okabe and Ito for the color-blind, dark enough for text.
COLORS = ("#0072b2", "#d55e00", "#007a5a", "#b0508a", "#2f2f2f", "#8a6d00", "#4b3aa8", "#a11d33")
STYLE = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.titlesize": 9,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "legend.frameon": False,
}
PAGE_WIDTH = 7.0  # inches
_PLAIN = {"linestyle": (0, (4, 2)), "markerfacecolor": "white"}
_LABEL_HEIGHT = 10.0  # points between the baselines of two labels


def plot_gallery_sizes(sizes: Sequence[int], runs: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> Figure:
    """Plot mAP and top-1 by gallery size, with and without RCP (figure 4 of the TDN paper).

    Args:
        sizes: (S,) numbers of images.
        runs: By name ``{"similarity" or "rcp": {"mAP": (S,), "top-1": (S,)}}``.

    Raises:
        InputError: There is no run, or there are more than 8.
    """
    with rc_context(STYLE):
        num_lines = sum(map(len, runs.values()))
        figure, (panels,) = make_page(runs, 1, 2, row_height=max(2.5, 0.6 + num_lines * _LABEL_HEIGHT / 72))
        for panel, name in zip(panels, METRICS):
            panel.axes.set(xscale="log", xlabel="Gallery size (images)", ylabel=f"{name} (%)")
            panel.axes.set_xticks(sizes, [str(size) for size in sizes])
            panel.axes.xaxis.set_minor_locator(NullLocator())
            for number, (run, rankings) in enumerate(runs.items()):
                for ranking, metrics in rankings.items():
                    panel.line(sizes, metrics[name], number, is_plain=ranking == "similarity")
                    panel.name_end(sizes[-1], metrics[name][-1], run_title(run, ranking), number)
        draw_names(figure, panels)
    return figure


def plot_rcp_parameters(
    thresholds: Sequence[float],
    weights: Sequence[float],
    runs: Mapping[str, Mapping[str, Mapping[str, Any]]],
    threshold: float,
    weight: float,
) -> Figure:
    """Plot mAP and top-1 by RCP's threshold b and weight lambda (figures 5 and 6 of the TDN paper).

    The effect of RCP is small compared with the differences between runs, so each run has its own row of panels.

    Args:
        thresholds: (B,) values of b, with lambda = ``weight``.
        weights: (L,) values of lambda, with b = ``threshold``.
        runs: By name ``{"similarity": {"mAP": float, "top-1": float}, "threshold": {"mAP": (B,), "top-1": (B,)},
            "weight": {"mAP": (L,), "top-1": (L,)}}``. Plain similarity is drawn as a horizontal line.
        threshold: Value of b for the weights.
        weight: Value of lambda for the thresholds.

    Raises:
        InputError: There is no run, or there are more than 8.
    """
    parameters = {
        "threshold": (thresholds, f"Threshold b (λ = {weight:g})"),
        "weight": (weights, f"Weight λ (b = {threshold:g})"),
    }
    with rc_context(STYLE):
        figure, panels = make_page(runs, len(runs), 4, row_height=1.8)
        for number, ((run, metrics), row) in enumerate(zip(runs.items(), panels)):
            row[0].axes.set_title(run, loc="left", fontweight="bold", parse_math=False)
            for panel, (name, parameter) in zip(row, product(METRICS, parameters)):
                values, title = parameters[parameter]
                panel.axes.set(xlabel=title, ylabel=f"{name} (%)")
                panel.axes.set_xticks(values[:: -(-len(values) // 5)])
                panel.axes.locator_params(axis="y", nbins=5, min_n_ticks=3)
                panel.level(metrics["similarity"][name], number)
                panel.line(values, metrics[parameter][name], number)
            for first, second in (row[:2], row[2:]):  # the same metric by both parameters
                second.axes.sharey(first.axes)
        lines = panels[0][0].axes.lines
        figure.legend(lines[::-1], ["RCP", "plain similarity"], loc="outside upper right", ncols=2, handlelength=3.2)
    return figure


def plot_precision_recall(runs: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Plot precision-recall curves of search and detection, with the areas under them.

    Args:
        runs: By name ``{"search": {"similarity" or "rcp": {"recall": (R,), "precision": (R,), "mAP": float}},
            "detection": {"recall": (K,), "precision": (K,), "ap": float}}`` with ascending recalls, as in
            :class:`mmpersonsearch.evaluation.SearchCurve` and :class:`mmpersonsearch.evaluation.DetectionCurve`.

    Raises:
        InputError: There is no run, or there are more than 8.
    """
    with rc_context(STYLE):
        num_lines = max((len(metrics["search"]) for metrics in runs.values()), default=0) * len(runs)
        figure, ((search, detection),) = make_page(runs, 1, 2, row_height=2.7 + 0.17 * num_lines)
        _name_curves(search, "Search")
        for number, (run, metrics) in enumerate(runs.items()):
            for ranking, curve in metrics["search"].items():
                search.curve(curve["recall"], curve["precision"], number, is_plain=ranking == "similarity")
                search.explain(curve["mAP"], run_title(run, ranking))
        search.legend("mAP (%)")
        _draw_detection(detection, runs)
    return figure


def plot_detection(runs: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Plot precision-recall curves of detection (second row of figure 8 of I-Net's paper), with the areas under them.

    Args:
        runs: By name ``{"detection": ...}``, as in :func:`plot_precision_recall`.

    Raises:
        InputError: There is no run, or there are more than 8.
    """
    with rc_context(STYLE):
        figure, ((panel,),) = make_page(runs, 1, 1, row_height=3.6 + 0.17 * len(runs), width=PAGE_WIDTH / 2)
        _draw_detection(panel, runs)
    return figure


def _name_curves(panel: Panel, title: str) -> None:
    panel.axes.set(xlabel="Recall (%)", ylabel="Precision (%)", xlim=(-1, 101), ylim=(-1, 103), title=title)


def _draw_detection(panel: Panel, runs: Mapping[str, Mapping[str, Any]]) -> None:
    _name_curves(panel, "Detection, labelled or not")
    for number, (run, metrics) in enumerate(runs.items()):
        curve = metrics["detection"]
        # The precision of a step holds from the recall of the step before it; the first begins at 0.
        recall = np.concatenate([np.zeros(1)[: len(curve["recall"])], curve["recall"]])
        precision = np.concatenate([curve["precision"][:1], curve["precision"]])
        panel.curve(recall, precision, number, drawstyle="steps-pre")
        panel.explain(curve["ap"], run)
    panel.legend("AP (%)")


class Panel:
    """Axes whose y is in percent."""

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self.axes.set_axisbelow(True)
        self.axes.ticklabel_format(axis="y", useOffset=False)
        self._ends: list[tuple[float, float, str, str]] = []  # x, y, name, color
        self._entries: list[tuple[float, Line2D, str]] = []

    def line(self, x: Sequence[float], y: Sequence[float], number: int, is_plain: bool = False, **kwargs: Any) -> None:
        """Draw a line of run ``number``, dashed and with hollow markers for plain similarity."""
        style = {"color": COLORS[number], "marker": MARKERS[number], **(_PLAIN if is_plain else {})}
        # The layout would take the extent of a line without points for infinite.
        self.axes.plot(x, 100 * np.asarray(y), clip_on=False, in_layout=len(x) > 0, **style, **kwargs)

    def curve(
        self, recall: Sequence[float], precision: Sequence[float], number: int, is_plain: bool = False, **kwargs: Any
    ) -> None:
        """Draw a curve of many points, with markers at equal distances that differ between curves."""
        first = 0.02 * (number + 1) + 0.09 * is_plain  # fraction of the axes' diagonal
        self.line(100 * np.asarray(recall), precision, number, is_plain, markevery=(first, 0.18), **kwargs)

    def level(self, y: float, number: int) -> None:
        """Draw a horizontal line for run ``number``."""
        self.axes.axhline(100 * y, color=COLORS[number], linestyle=_PLAIN["linestyle"], linewidth=1)

    def name_end(self, x: float, y: float, text: str, number: int) -> None:
        """Record the name of the line of run ``number`` that ends at (x, y), for :meth:`draw_names`."""
        self._ends.append((x, 100 * y, text, COLORS[number]))

    def draw_names(self) -> None:
        """Write the names to the right of the axes without overlap, each with a thin line to its end."""
        axes = self.axes
        ends = sorted(self._ends, key=lambda end: end[1])
        height = axes.bbox.height * 72 / axes.figure.dpi
        points = axes.transAxes.inverted().transform(axes.transData.transform([(1, end[1]) for end in ends]))[:, 1]
        for (x, y, text, color), place in zip(ends, _apart(points, _LABEL_HEIGHT / height)):
            arrow = {"arrowstyle": "-", "color": color, "linewidth": 0.5, "relpos": (0, 0.5), "shrinkB": 3}
            place = dict(xytext=(1.05, place), textcoords="axes fraction", va="center", annotation_clip=False)
            axes.annotate(text, (x, y), color=color, arrowprops=arrow, parse_math=False, **place)

    def explain(self, area: float, text: str) -> None:
        """Record a legend entry for the last curve: the area under it and its name."""
        self._entries.append((area, self.axes.lines[-1], text))

    def legend(self, title: str) -> None:
        """Draw the legend below the axes, in order of decreasing area."""
        areas, lines, texts = zip(*sorted(self._entries, key=lambda entry: -entry[0]))
        # A figure space is as wide as a digit.
        numbers = [f"{100 * area:5.1f}".replace(" ", "\N{FIGURE SPACE}") for area in areas]
        texts = [f"{number}  {text}" for number, text in zip(numbers, texts)]
        below = self.axes.transAxes + ScaledTranslation(0, -0.45, self.axes.figure.dpi_scale_trans)
        place = dict(loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below, borderaxespad=0, alignment="left")
        without_formulas(self.axes.legend(lines, texts, title=title, handlelength=3.2, **place))


def without_formulas(legend: Legend) -> None:
    """Disable the parsing of formulas in a legend, for names with dollar signs."""
    for text in legend.get_texts():
        text.set_parse_math(False)


def make_page(
    runs: Mapping[str, Any], num_rows: int, num_columns: int, row_height: float, width: float = PAGE_WIDTH
) -> tuple[Figure, list[list[Panel]]]:
    """Make a figure of page width and its rows of panels; sizes are in inches.

    Raises:
        InputError: There is no run, or there are more than 8.
    """
    if not 0 < len(runs) <= len(MARKERS):
        raise InputError(f"a figure shows 1 to {len(MARKERS)} runs, got {len(runs)}: {', '.join(runs)}")
    # pyplot would keep the figure open.
    figure = Figure(figsize=(width, num_rows * row_height), layout="constrained")
    figure.get_layout_engine().set(wspace=0.06, hspace=0.06)
    grid = figure.subplots(num_rows, num_columns, squeeze=False)
    return figure, [[Panel(axes) for axes in row] for row in grid]


def run_title(run: str, ranking: str) -> str:
    """Name a run and its ranking, as in the papers: ``TDN``, ``TDN + RCP``."""
    return run if ranking == "similarity" else f"{run} + {ranking.upper()}"


def draw_names(figure: Figure, panels: Sequence[Panel]) -> None:
    """Write the names that :meth:`Panel.name_end` recorded."""
    figure.draw_without_rendering()  # settles the limits and sizes of the axes
    for panel in panels:
        panel.draw_names()


def _apart(places: np.ndarray, gap: float) -> np.ndarray:
    """Move ascending places into [0, 1] with at least ``gap`` between them, by least squares."""
    steps = gap * np.arange(len(places))
    return isotonic_regression(places - steps).x.clip(0, max(0, 1 - steps[-1])) + steps
