"""Times of pictures, in seconds: since 1970, or since the start of a video that has no other."""

from __future__ import annotations

from datetime import datetime, timezone

_FIRST_DAYS = 86400 * 7  # videos are not longer, and pictures not of 1970


def is_second_of_video(moment: float) -> bool:
    """Tell whether a time is one of a video's seconds, not one since 1970."""
    return moment < _FIRST_DAYS


def time_text(moment: float) -> str:
    """Write a time since 1970 as a date, one of a video as its second."""
    if is_second_of_video(moment):
        return f"{moment:.1f} s"
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
