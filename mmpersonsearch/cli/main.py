"""Dispatcher of the command ``mmpersonsearch``: it imports a verb's module only when the verb is run."""

from __future__ import annotations

import difflib
import sys
from importlib import import_module

# Module of a verb: its words, joined by underscores.
VERBS = {
    "train": "train a model from a config",
    "test": "evaluate a checkpoint: detection and search",
    "eval": "evaluate predictions again: other rankings, gallery sizes or thresholds; compare results",
    "rank": "draw queries beside their best matches",
    "plot search": "plot search against gallery size or RCP's parameters, or precision-recall curves",
    "plot embeddings": "plot embeddings in the plane, or the similarities of the identities' centers",
    "plot lambda": "plot detection and search against the weight of the OIM loss",
    "browse": "draw the scenes of a split as the model gets them",
    "crop": "cut labelled persons out of scenes, to train Re-ID teachers",
    "to-coco": "write PRW or CUHK-SYSU in COCO's form",
    "convert reid": "make a teacher of a published Re-ID checkpoint",
    "convert two-step": "join the checkpoints of a detector and of a Re-ID model",
    "flops": "count floating-point operations part by part",
    "benchmark model": "measure testing throughput of one model, or of two in turn",
    "benchmark eval": "measure time and memory of the evaluation",
    "benchmark memories": "measure time and memory of memory updates and losses",
    "benchmark ops": "measure RoIAlign, RoIPool and NMS beside MMCV's compiled ones",
    "on-boxes": "evaluate Re-ID apart from detection: embed given boxes",
    "configs": "list the configs that come with the package",
}


def main(argv: list[str] | None = None) -> None:
    """Run the verb that the arguments begin with.

    Args:
        argv: Arguments without the program's name; by default those of the process.

    Raises:
        SystemExit: After ``--help`` and ``--version``; with status 2 where there is no such verb.
    """
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        print(_usage(VERBS))
        sys.exit(0 if argv else 2)
    if argv[0] == "--version":
        print(f"mmpersonsearch {import_module('mmpersonsearch').__version__}")
        sys.exit(0)
    verb = _find_verb(argv)
    module = import_module(f"mmpersonsearch.cli.{verb.replace(' ', '_').replace('-', '_')}")
    module.main(argv[len(verb.split()) :])


def _find_verb(argv: list[str]) -> str:
    """The verb, of one word or two; exits where there is none."""
    first, second = argv[0], argv[1] if len(argv) > 1 else None
    if first in VERBS:
        return first
    group = {verb.split()[1]: verb for verb in VERBS if verb.startswith(f"{first} ")}
    if second in group:
        return group[second]
    if group and second in ("-h", "--help"):
        print(_usage({verb: VERBS[verb] for verb in group.values()}))
        sys.exit(0)
    if group and second is None:
        message = f"{first!r} needs a second word: {', '.join(group)}"
    elif group:
        message = f"no command '{first} {second}'; {_nearest(second, list(group))}"
    else:
        message = f"no command {first!r}; {_nearest(first, list(dict.fromkeys(verb.split()[0] for verb in VERBS)))}"
    print(f"mmpersonsearch: {message}", file=sys.stderr)
    sys.exit(2)


def _nearest(word: str, words: list[str]) -> str:
    similar = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {similar[0]!r}?" if similar else f"expected one of {', '.join(words)}"


def _usage(verbs: dict[str, str]) -> str:
    width = max(map(len, verbs))
    lines = [f"  {verb:{width}}  {text}" for verb, text in verbs.items()]
    head = "usage: mmpersonsearch COMMAND ...    (arguments of a command: mmpersonsearch COMMAND --help)"
    tail = "A config is given as a file or as a name that mmpersonsearch configs lists."
    return "\n".join([head, "", *lines, "", tail])
