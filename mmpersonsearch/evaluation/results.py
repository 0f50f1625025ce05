"""Results of evaluations that commands read and put side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmpersonsearch.evaluation.provenance import protocol_differences


def read_figures(path: str) -> dict[str, Any]:
    """What ``mmpersonsearch test`` has written of any model.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds no figures.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"result {path} does not exist")
    try:
        result = json.loads(Path(path).read_text())
    except ValueError as error:
        raise ValueError(f"{path} is no json: {error}") from error
    if not isinstance(result, dict):
        raise ValueError(f"{path} holds no figures; expected a result.json of mmpersonsearch test")
    return result


def read_result(path: str) -> dict[str, Any]:
    """A ``result.json`` of ``mmpersonsearch test`` or of ``mmpersonsearch eval``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no such file, or an old one that does not tell its protocol.
    """
    result = read_figures(path)
    if "protocol" not in result:
        raise ValueError(f"{path} does not tell its protocol; expected a result.json of mmpersonsearch test")
    return result


def check_protocols(results: dict[str, dict[str, Any]]) -> None:
    """Raise ValueError where a result was not made by the protocol of the first."""
    (first_name, first), *others = results.items()
    for name, result in others:
        differences = protocol_differences(first["protocol"], result["protocol"])
        if differences:
            raise ValueError(
                f"{first_name} and {name} were evaluated by different protocols "
                "(--allow-different-protocols shows them all the same):\n  " + "\n  ".join(differences)
            )
