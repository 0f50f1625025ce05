"""Puts the checkpoints of a detector and of a Re-ID model into one, for a config of the two-step model.

    mmpersonsearch convert two-step faster-rcnn_bot_prw \
        work_dirs/faster-rcnn_r50ibn_prw/epoch_40.pth work_dirs/bot_r50ibn_prw/epoch_120.pth --out two-step.pth

``mmpersonsearch test`` takes the result as any other checkpoint. Each of the two must fill its part of the model
exactly.
"""

import argparse
import io

import torch
from mmengine.config import DictAction
from mmengine.registry import DefaultScope

from mmpersonsearch.models.detectors import TwoStepPersonSearch
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.checkpoint import fill, load_checkpoint_file
from mmpersonsearch.utils.files import write_whole

from .command_line import exit_on_bad_input
from .run_config import read_config


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mmpersonsearch convert two-step", description=__doc__.partition("\n")[0])
    parser.add_argument("config", help="config of a two-step model, file or name, such as faster-rcnn_bot_prw")
    parser.add_argument("detector", metavar="DETECTOR.pth", help="file or http(s) address of the detector's checkpoint")
    parser.add_argument("reid", metavar="REID.pth", help="file or http(s) address of the Re-ID model's checkpoint")
    parser.add_argument("--out", required=True, metavar="JOINED.pth", help="the checkpoint to write")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    return parser.parse_args(argv)


def join(model: TwoStepPersonSearch, **paths: str) -> dict:
    """Fill the parts of a two-step model.

    Args:
        model: Its parts are loaded.
        paths: File or address of a checkpoint for each part, ``detector`` and ``reid``.

    Returns:
        A checkpoint of the whole model.

    Raises:
        FileNotFoundError: A checkpoint is missing.
        ValueError: Keys of a checkpoint are missing, unexpected or of another shape; the message names them.
    """
    for name, path in paths.items():
        fill(model.get_submodule(name), load_checkpoint_file(path), path, allow_unexpected=False)
    return dict(meta=paths, state_dict=model.state_dict())


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with exit_on_bad_input("mmpersonsearch convert two-step"):
        config = read_config(args.config, args.cfg_options)
        DefaultScope.get_instance("join_two_step", scope_name=config.default_scope)
        model = MODELS.build(config.model)
        if not isinstance(model, TwoStepPersonSearch):
            raise ValueError(f"{args.config}: expected model.type TwoStepPersonSearch, got {config.model.type}")
        joined = join(model, detector=args.detector, reid=args.reid)
    content = io.BytesIO()
    torch.save(joined, content)
    write_whole(args.out, content.getvalue())
    print(f"Joined checkpoint: {args.out}")
