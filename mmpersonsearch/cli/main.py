"""Dispatcher of the command ``mmpersonsearch``, which imports a verb's module only to run it."""

from __future__ import annotations

import difflib
import sys
from importlib import import_module

# Module of a verb: its words, joined by underscores.
VERBS = {
    "train": "train a model from a config",
    "test": "evaluate a checkpoint: detection and search",
    "check": "check a config's data, checkpoints and thresholds before a training",
    "eval": "evaluate predictions with other rankings, gallery sizes or thresholds; compare results",
    "rank": "draw queries beside their best matches",
    "plot search": "plot search against gallery size or RCP's parameters, or precision-recall curves",
    "plot embeddings": "plot embeddings by t-SNE, or the similarities of the identities' centers",
    "plot lambda": "plot detection and search against the weight of the OIM loss or another swept value",
    "plot training": "plot losses and metrics of trainings against iterations",
    "plot proposals": "plot the best proposals of RPN and query-guided RPN for a query",
    "browse": "draw the scenes of a split as the pipeline passes them to the model",
    "crop": "crop labelled persons from scenes, as a training set for Re-ID teachers",
    "to-coco": "convert PRW, CUHK-SYSU or PoseTrack21 to COCO format",
    "convert reid": "convert a published Re-ID checkpoint to a teacher",
    "convert two-step": "join the checkpoints of a detector and of a Re-ID model",
    "make-lut": "compute a trained model's lookup table, from which a student learns (KD_reid)",
    "flops": "count floating-point operations of each part of a model",
    "on-boxes": "evaluate Re-ID without detection, on given boxes",
    "index": "find the persons of your own pictures and videos, for search",
    "search": "search a person in an index of your own pictures",
    "serve": "search such an index in the browser",
    "calibrate": "choose the least similarity of hits on labelled pictures, for search",
    "gallery info": "tell what an index has",
    "gallery remove": "remove pictures from an index",
    "gallery check": "check whether an index is complete and its pictures are still there",
    "configs": "list the configs that come with the package",
}


def main(argv: list[str] | None = None) -> None:
    """Run the verb that the first arguments name.

    Args:
        argv: Arguments without the program's name; ``sys.argv[1:]`` by default.

    Raises:
        SystemExit: After ``--help`` and ``--version``; with status 2 for an unknown verb.
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
    """Find the verb, of one word or two; exit if there is none."""
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
