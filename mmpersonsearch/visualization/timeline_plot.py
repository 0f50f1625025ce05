"""Timeline: when and where one person was seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from itertools import groupby
from typing import NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.times import is_second_of_video

from .curve_plots import COLORS, PAGE_WIDTH, STYLE

_LANE, _REST = 0.32, 0.75  # inches: height of a place's lane; of a panel's axis and title
_MOST = 200  # lanes
_NAME = 28  # characters of a place


class Appearance(NamedTuple):
    """Pictures of one person that follow each other at one place.

    Attributes:
        place: Camera, or the video where times are its seconds.
        times: Of the pictures, ascending, in seconds since 1970 or since the video's start.
        similarities: Of the pictures, to the query.
        image: The most similar picture.
    """

    place: str
    times: Sequence[float]
    similarities: Sequence[float]
    image: str


def plot_timeline(appearances: Sequence[Appearance]) -> Figure:
    """Plot appearances: a lane a place, a bar an appearance, a dot a picture, darker the more similar.

    Places are in the order of their first appearance. Dates and seconds of videos have a panel each.

    Args:
        appearances: See :meth:`mmpersonsearch.apis.Hits.timeline`.

    Raises:
        InputError: There is no appearance, or there are more than 200 places.
    """
    ordered = sorted(appearances, key=lambda one: (is_second_of_video(one.times[0]), one.times[0]))
    panels = [list(group) for _, group in groupby(ordered, lambda one: is_second_of_video(one.times[0]))]
    lanes = [list(dict.fromkeys(one.place for one in panel)) for panel in panels]
    if not 0 < sum(map(len, lanes)) <= _MOST:
        raise InputError(f"a timeline shows 1 to {_MOST} places of hits with a time, got {sum(map(len, lanes))}")
    heights = [_REST + _LANE * len(places) for places in lanes]
    shade = ScalarMappable(Normalize(*_range([s for one in ordered for s in one.similarities])), "viridis_r")
    with rc_context({**STYLE, "axes.grid.axis": "x"}):
        figure = Figure(figsize=(PAGE_WIDTH, max(1.4, sum(heights))), layout="constrained")
        rows = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for axes, panel, places in zip(rows, panels, lanes):
            _draw_lanes(axes, panel, places, shade)
        figure.colorbar(shade, ax=list(rows), label="Similarity", pad=0.01, aspect=12, shrink=0.9)
    return figure


def _range(similarities: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the colors' scale, which are not equal."""
    low, high = min(similarities), max(similarities)
    return (low, high) if high - low > 1e-3 else (low - 0.01, high + 0.01)


def _draw_lanes(axes: Axes, appearances: Sequence[Appearance], places: Sequence[str], shade: ScalarMappable) -> None:
    seconds = is_second_of_video(appearances[0].times[0])
    for one in appearances:
        y, x = places.index(one.place), np.asarray(one.times, dtype=float)
        x = x if seconds else date2num([datetime.fromtimestamp(moment, timezone.utc) for moment in x])
        axes.broken_barh([(x[0], x[-1] - x[0])], (y - 0.3, 0.6), facecolor=COLORS[0], alpha=0.2, linewidth=0)
        colors = shade.to_rgba(np.asarray(one.similarities, dtype=float))
        axes.scatter(x, np.full(len(x), y), c=colors, s=14, zorder=3, linewidths=0)
    texts = [place if len(place) <= _NAME else f"…{place[1 - _NAME :]}" for place in places]
    axes.set_yticks(range(len(places)), texts, parse_math=False)
    axes.set(ylim=(len(places) - 0.5, -0.5), xlabel="Second of the video" if seconds else "Time")
    axes.margins(x=0.03)
    if not seconds:
        locator = AutoDateLocator(tz=timezone.utc)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=timezone.utc))
