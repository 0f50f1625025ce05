"""One person's appearances: hits of a search that follow each other at one place."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import write_json_file, write_whole
from mmpersonsearch.utils.media import split_frame
from mmpersonsearch.utils.times import is_second_of_video
from mmpersonsearch.visualization.timeline_plot import Appearance, plot_timeline

COLUMNS = ("place", "start", "end", "pictures", "similarity", "image")


class Timeline(list):
    """Appearances of a person, by start.

    Attributes:
        undated: Number of hits without a time, which are in no appearance.
    """

    def __init__(self, appearances: Sequence[Appearance], undated: int = 0) -> None:
        super().__init__(sorted(appearances, key=lambda one: (is_second_of_video(one.times[0]), one.times[0])))
        self.undated = undated

    def rows(self) -> list[dict[str, Any]]:
        """Return the table: place, first and last time in seconds, number of pictures, the best and its similarity."""
        return [
            dict(zip(COLUMNS, (a.place, a.times[0], a.times[-1], len(a.times), max(a.similarities), a.image)))
            for a in self
        ]

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame``, a row an appearance."""
        import pandas

        return pandas.DataFrame(self.rows(), columns=list(COLUMNS))

    def to_json(self, path: str | Path) -> None:
        """Write the table to a file: ``{"undated": ..., "appearances": [...]}``."""
        write_json_file(path, dict(undated=self.undated, appearances=self.rows()))

    def figure(self) -> Figure:
        """Return the figure; see :func:`plot_timeline`."""
        return plot_timeline(self)

    def draw(self, path: str | Path) -> None:
        """Write the figure to a PNG, JPEG, SVG or PDF file."""
        content = io.BytesIO()
        self.figure().savefig(content, format=Path(path).suffix[1:].lower(), dpi=200)
        write_whole(path, content.getvalue())


def make_timeline(hits: Sequence[Any], gap: float) -> Timeline:
    """Do what :meth:`Hits.timeline` says; see there."""
    if not gap > 0:
        raise InputError(f"timeline: gap {gap}, expected seconds above 0")
    dated = sorted((hit for hit in hits if hit.time is not None), key=lambda hit: (place_of(hit), hit.time))
    groups: list[list[Any]] = []
    for hit in dated:
        if not groups or place_of(groups[-1][-1]) != place_of(hit) or hit.time - groups[-1][-1].time > gap:
            groups.append([])
        groups[-1].append(hit)
    appearances = []
    for group in groups:
        similarities = [hit.similarity for hit in group]
        best = group[int(np.argmax(similarities))].image
        appearances.append(Appearance(place_of(group[0])[1], [hit.time for hit in group], similarities, best))
    return Timeline(appearances, undated=len(hits) - len(dated))


def place_of(hit: Any) -> tuple[bool, str]:
    """Tell where a hit of known time is: whether its time is a video's second, and the camera or that video."""
    video = is_second_of_video(hit.time)
    parts = [hit.camera, split_frame(hit.image)[0] if video else ""]
    return video, ", ".join(filter(None, parts)) or "all pictures"
