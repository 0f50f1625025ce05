"""Write the streams of trained models as one checkpoint: the weights that inference needs, and nothing else.

python projects/deskpro/tools/export_model.py --body work_dirs/deskpro_osnet_prcc/epoch_140.pth \\
    --face work_dirs/deskpro_osnet_prcc/epoch_140.pth --out deskpro_prcc.pth

The streams share no weights, so they may be of two trainings: with the teacher's face stream the model is DeSKPro*.
With --alone the one stream is a Re-ID model of its own (its config is the stream's), such as a teacher of TDN.
"""

from __future__ import annotations

import argparse
from typing import Any

from torch import Tensor

from mmpersonsearch.cli.command_line import exit_on_bad_input
from mmpersonsearch.utils.checkpoint import find_weights, load_checkpoint_file, save_checkpoint
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import check_out

STREAMS = ("body", "face")


def pick_stream(path: str, name: str) -> dict[str, Tensor]:
    """Return the weights of a checkpoint's stream, with its prefix.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is no checkpoint, or it has no such stream.
    """
    weights = find_weights(load_checkpoint_file(path))
    picked = {key: value for key, value in weights.items() if key.startswith(f"{name}.")}
    if not picked:
        raise InputError(f"--{name} {path}: no weights of a {name} stream, expected a checkpoint of TwoStreamReID")
    return picked


def export(paths: dict[str, str], alone: bool) -> dict[str, Any]:
    """Join streams, whose checkpoints are given by their names, to one checkpoint; see the module."""
    if not paths or (alone and len(paths) > 1):
        raise InputError(f"expected {'one' if alone else 'at least one'} of --body and --face")
    weights = {key: value for name, path in paths.items() for key, value in pick_stream(path, name).items()}
    if alone:
        weights = {key.partition(".")[2]: value for key, value in weights.items()}
    return dict(meta=dict(streams=paths), state_dict=weights)


def main(argv: list[str] | None = None) -> None:
    """Write the checkpoint that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in STREAMS:
        parser.add_argument(f"--{name}", metavar="CHECKPOINT", help=f"trained model whose {name} stream is taken")
    parser.add_argument("--alone", action="store_true", help="one stream as a model of its own")
    parser.add_argument("--out", required=True, help="the checkpoint to write")
    args = parser.parse_args(argv)
    paths = {name: path for name in STREAMS if (path := getattr(args, name))}
    with exit_on_bad_input("export_model.py"):
        check_out(args.out, *paths.values(), suffixes=(".pth",))
        checkpoint = export(paths, args.alone)
        save_checkpoint(checkpoint, args.out)
    number = sum(value.numel() for value in checkpoint["state_dict"].values())
    print(f"wrote {args.out}: {' and '.join(paths)}, {number:,} numbers")


if __name__ == "__main__":
    main()
