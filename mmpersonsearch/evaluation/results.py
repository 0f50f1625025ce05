"""Reading of ``result.json`` files, and checks that they can be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmpersonsearch.utils.errors import InputError

from .provenance import protocol_differences


def read_figures(path: str) -> dict[str, Any]:
    """:func:`read_result` for any model, also one without a search protocol."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"result {path} does not exist")
    try:
        result = json.loads(Path(path).read_text())
    except ValueError as error:
        raise InputError(f"{path} is no json: {error}") from error
    if not isinstance(result, dict):
        raise InputError(f"{path} holds no metrics, expected a result.json of mmpersonsearch test")
    return result


def read_result(path: str) -> dict[str, Any]:
    """Read a ``result.json`` of ``mmpersonsearch test`` or of ``mmpersonsearch eval``.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It holds no metrics, or no record of its protocol.
    """
    result = read_figures(path)
    if "protocol" not in result:
        raise InputError(f"{path} has no record of its protocol, expected a result.json of mmpersonsearch test")
    return result


def check_protocols(results: dict[str, dict[str, Any]]) -> None:
    """Check that all results, given by name, were made by the protocol of the first.

    Raises:
        InputError: One was not; names both and says where they differ.
    """
    (first_name, first), *others = results.items()
    for name, result in others:
        differences = protocol_differences(first["protocol"], result["protocol"])
        if differences:
            raise InputError(
                f"{first_name} and {name} were evaluated by different protocols "
                "(--allow-different-protocols compares anyway):\n  " + "\n  ".join(differences)
            )
