"""Files of figures."""

from __future__ import annotations

import io
import json
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from mmpersonsearch.utils.files import write_whole


def write_figure(figure: Figure, numbers: dict[str, Any], stem: str) -> None:
    """Write a figure as ``<stem>.png`` and ``.svg`` and its numbers as ``.json``; equal numbers give equal files."""
    for suffix, metadata in (("png", {}), ("svg", {"Date": None})):
        content = io.BytesIO()
        with rc_context({"svg.hashsalt": "mmpersonsearch"}):
            figure.savefig(content, format=suffix, dpi=300, metadata=metadata)
        write_whole(f"{stem}.{suffix}", content.getvalue())
    write_whole(f"{stem}.json", (json.dumps(numbers, indent=1) + "\n").encode())
