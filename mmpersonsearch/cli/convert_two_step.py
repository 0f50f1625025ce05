"""Join the checkpoints of a detector and of a Re-ID model to that of a two-step model.

mmpersonsearch convert two-step faster-rcnn_bot_prw \\
    work_dirs/faster-rcnn_r50ibn_prw/epoch_40.pth work_dirs/bot_r50ibn_prw/epoch_120.pth --out two-step.pth

Each of the two must fill its part of the model exactly. ``mmpersonsearch test`` reads the result.
"""

from mmpersonsearch.apis import build_model
from mmpersonsearch.engine.num_ids import count_rows, set_num_ids
from mmpersonsearch.models.detectors import TwoStepPersonSearch
from mmpersonsearch.utils.checkpoint import load_checkpoint_file, save_checkpoint
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import check_out

from .command_line import add_config, exit_on_bad_input, make_parser
from .run_config import read_config_of


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("convert two-step", __doc__)
    add_config(parser, "config of a two-step model, file or name, such as faster-rcnn_bot_prw")
    parser.add_argument("detector", metavar="DETECTOR.pth", help="file or URL of the detector's checkpoint")
    parser.add_argument("reid", metavar="REID.pth", help="file or URL of the Re-ID model's checkpoint")
    parser.add_argument("--out", required=True, metavar="JOINED.pth", help="the checkpoint to write")
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch convert two-step"):
        check_out(args.out, args.detector, args.reid, suffixes=(".pth",))
        config = read_config_of(args)
        set_num_ids(config.model, count_rows(load_checkpoint_file(args.reid)) or 1)
        model = build_model(config)
        if not isinstance(model, TwoStepPersonSearch):
            raise InputError(f"{args.config}: expected model.type TwoStepPersonSearch, got {type(model).__name__}")
        paths = dict(detector=args.detector, reid=args.reid)
        model.load_parts(**paths)
    save_checkpoint(dict(meta=paths, state_dict=model.state_dict()), args.out)
    print(f"Joined checkpoint: {args.out}")
