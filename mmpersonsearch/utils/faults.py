"""Lists of faults, one line per kind."""

from __future__ import annotations

import re
from collections import defaultdict

ERROR, WARNING = "error", "warning"
_SHOWN = 3
# What differs between messages of one kind: numbers, texts in quotes, records and the names of files.
_PARTICULARS = re.compile(r"\{.*\}|\[.*?\]|'[^']*'|\"[^\"]*\"|\S*[/\\]\S*|-?\d+(?:\.\d+)?")


class Faults:
    """Faults by severity, place and kind; a kind that occurs a thousand times in a place is one line."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], list[str]] = defaultdict(list)

    def add(self, severity: str, place: str, kind: str, example: str) -> None:
        """Add one case of a kind, a noun in the plural such as ``'boxes without area'``."""
        self._found[severity, place, kind].append(example)

    def add_message(self, severity: str, place: str, message: str) -> None:
        """Add a whole sentence, such as a reader's error; those that differ in names and numbers alone are a kind."""
        self._found[severity, place, "\0" + _PARTICULARS.sub("#", message)].append(message)

    def lines(self, severity: str) -> list[str]:
        """Return ``'place: kind (number): first cases'`` for each kind, and messages one by one unless there are many.

        Places of the same text are joined.
        """
        places = defaultdict(list)
        for (own, place, kind), examples in self._found.items():
            for text in _describe(kind, examples) if own == severity else ():
                places[text].append(place)
        return [f"{', '.join(dict.fromkeys(names))}: {text}" for text, names in places.items()]


def _describe(kind: str, examples: list[str]) -> list[str]:
    if not kind.startswith("\0"):
        rest = ", ..." if len(examples) > _SHOWN else ""
        return [f"{kind} ({len(examples)}): {', '.join(examples[:_SHOWN])}{rest}"]
    messages = [" ".join(message.split()) for message in examples]
    return messages if len(messages) <= _SHOWN else [f"{messages[0]} (and {len(messages) - 1} more of this kind)"]
