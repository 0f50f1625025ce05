"""Plots of trainings: scalars by iteration, and metrics by a value that was swept over runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from mmpersonsearch.utils.errors import InputError

from .curve_plots import COLORS, MARKERS, STYLE, Panel, draw_names, make_page, without_formulas


def plot_training(
    runs: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]], scalars: Sequence[str], smooth: int = 1
) -> Figure:
    """Plot scalars of trainings by iteration, a panel each (figure 12 of I-Net's paper).

    Metrics, whose names have a slash, are fractions and shown in percent.

    Args:
        runs: By name ``{scalar: {"iterations": (n,), "values": (n,), "smoothed": (n,)}}``; a run may lack a scalar.
        scalars: Names, in the panels' order.
        smooth: Window of ``smoothed``; above 1 the values are drawn pale behind it.

    Raises:
        InputError: There is no run, or there are more than 8.
    """
    with rc_context(STYLE):
        figure, panels = _make_panels(runs, len(scalars))
        for panel, scalar in zip(panels, scalars):
            unit, factor = (" (%)", 100) if "/" in scalar else ("", 1)
            panel.axes.set_xlabel("Iteration")
            panel.axes.set_ylabel(f"{scalar}{unit}", parse_math=False)
            for number, of_run in enumerate(runs.values()):
                curve = of_run.get(scalar, {"iterations": [], "values": [], "smoothed": []})
                shows = bool(np.isfinite(curve["smoothed"]).any())  # Matplotlib cannot lay out or mark nothing
                look = dict(color=COLORS[number], in_layout=shows)
                if smooth > 1:
                    values = factor * np.asarray(curve["values"])
                    panel.axes.plot(curve["iterations"], values, alpha=0.25, linewidth=0.8, label="_", **look)
                look.update(marker=MARKERS[number], markevery=(0.03 * (number + 1), 0.25) if shows else None)
                panel.axes.plot(curve["iterations"], factor * np.asarray(curve["smoothed"]), **look)
        _draw_legend(figure, panels[0], runs)
    return figure


def plot_loss_weights(
    curves: Mapping[str, Mapping[str, Sequence[float]]],
    detectors: Mapping[str, float] | None = None,
    metrics: Sequence[str] = ("detection AP", "search mAP"),
    key: str = "Weight of the OIM loss (λ)",
) -> Figure:
    """Plot metrics by the weight of the OIM loss (figure 1 of Munjal et al., BMVC 2019), or by another swept value.

    Args:
        curves: By name ``{"weights": (L,), metric: (L,)}`` with ascending weights, and optionally ``"<metric>,
            spread"`` (L,), drawn as error bars.
        detectors: Detection AP of detectors without Re-ID, by name, drawn as horizontal lines in the panel
            ``"detection AP"``.
        metrics: Names of the metrics, a panel each.
        key: Title of the x axis.

    Raises:
        InputError: There is no curve, there are more than 8 curves and detectors, or two have the same name.
    """
    detectors = detectors or {}
    if not curves or curves.keys() & detectors.keys():
        raise InputError(f"expected curves and detectors of different names, got {list(curves)} and {list(detectors)}")
    with rc_context(STYLE):
        figure, panels = _make_panels({**curves, **detectors}, len(metrics), 0.17 * -(-len(curves) // 3))
        by_name = dict(zip(metrics, panels))
        for number, (run, ap) in enumerate(detectors.items(), len(curves)):
            by_name["detection AP"].level(ap, number)
            end = max(max(of_run["weights"]) for of_run in curves.values())
            by_name["detection AP"].name_end(end, ap, run, number)
        for name, panel in by_name.items():
            panel.axes.set_xlabel(key, parse_math=False)
            panel.axes.set_ylabel(f"{name[0].upper()}{name[1:]} (%)", parse_math=False)
            panel.axes.locator_params(axis="x", nbins=6)
            for number, of_run in enumerate(curves.values()):
                panel.line(of_run["weights"], of_run[name], number)
                if f"{name}, spread" in of_run:
                    means, spreads = (100 * np.asarray(of_run[part]) for part in (name, f"{name}, spread"))
                    panel.axes.errorbar(of_run["weights"], means, spreads, fmt="none", ecolor=COLORS[number])
        _draw_legend(figure, panels[-1], curves)
        if detectors:
            draw_names(figure, [by_name["detection AP"]])
    return figure


def _make_panels(runs: Mapping[str, Any], number: int, legend_height: float = 0.2) -> tuple[Figure, list[Panel]]:
    """Make a figure with a number of panels, two side by side, and room for a legend below."""
    num_columns = min(number, 2)
    num_rows = -(-number // num_columns)
    figure, rows = make_page(runs, num_rows, num_columns, row_height=2.5 + legend_height / num_rows)
    panels = [panel for row in rows for panel in row]
    for panel in panels[number:]:
        panel.axes.set_axis_off()
    return figure, panels[:number]


def _draw_legend(figure: Figure, panel: Panel, names: Mapping[str, Any]) -> None:
    """Draw a legend of a panel's named lines below all panels."""
    lines = [line for line in panel.axes.lines if line.get_marker() not in ("None", None, "")]
    place = dict(loc="outside lower center", ncols=min(3, len(names)), handlelength=3.2)
    without_formulas(figure.legend(lines, names, **place))
