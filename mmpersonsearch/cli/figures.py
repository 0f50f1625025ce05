"""What the commands that plot share: the runs on their command lines, and writing a figure with its numbers."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from mmpersonsearch.utils.files import write_whole


def parse_runs(words: Sequence[str], file: str = "PREDICTIONS.pkl") -> dict[str, str]:
    """``['TDN=tdn.pkl']`` as ``{'TDN': 'tdn.pkl'}``.

    Raises:
        ValueError: One is malformed, or a name comes twice.
    """
    runs: dict[str, str] = {}
    for word in words:
        name, _, path = word.partition("=")
        if not name or not path:
            raise ValueError(f"expected NAME={file}, got {word!r}")
        if name in runs:
            raise ValueError(f"two runs have the name {name!r}: {runs[name]} and {path}")
        runs[name] = path
    return runs


def write_figure(figure: Figure, numbers: dict[str, Any], stem: str) -> None:
    """Write PNG, SVG and the numbers; the same numbers give the same files."""
    for suffix, metadata in (("png", {}), ("svg", {"Date": None})):
        content = io.BytesIO()
        with rc_context({"svg.hashsalt": "mmpersonsearch"}):
            figure.savefig(content, format=suffix, dpi=300, metadata=metadata)
        write_whole(f"{stem}.{suffix}", content.getvalue())
    write_whole(f"{stem}.json", (json.dumps(numbers, indent=1) + "\n").encode())
    print(f"Figure: {stem}.png, {stem}.svg; its numbers: {stem}.json")
