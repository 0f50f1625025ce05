"""Make a teacher of a published Re-ID checkpoint: reid-strong-baseline's, ReID-Survey's (agw) or fast-reid's.

mmpersonsearch convert reid market_bot_R50-ibn.pth --from fast-reid \\
    --config bot_r50ibn_prw --out work_dirs/bot_market/teacher.pth

Printed are the options that the student's config needs to have the same network as its teacher.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from typing import Any

from mmengine.registry import init_default_scope

from mmpersonsearch.models.teachers.convert import Conversion, convert
from mmpersonsearch.models.teachers.convert_names import PROJECTS
from mmpersonsearch.utils.checkpoint import COUNTERS, save_checkpoint

from .command_line import add_config_options, exit_on_bad_input, make_parser, print_table
from .run_config import read_config


def print_summary(converted: Conversion) -> None:
    """Print how many weights went where, which were left, and which were set."""
    meta = converted.checkpoint["meta"]
    parts = Counter((origin.split(".")[0], key.split(".")[0]) for key, origin in converted.origins.items())
    rows = [(f"{source}.*", f"{part}.*", number) for (source, part), number in parts.items()]
    filled = Counter((re.sub(f".*({COUNTERS})", r"*\1", key), value) for key, value in meta["filled_in"].items())
    rows += [("", f"{key}, set to {value}", number) for (key, value), number in filled.items()]
    rows += [(key, f"left: {why}", 1) for key, why in converted.left.items()]
    print_table(f"{meta['source']} ({meta['converted_from']})", ("source", "teacher", "weights"), rows)


def student_options(options: dict[str, Any]) -> str:
    """The teacher's options as a student's command line takes them."""
    pairs = ((key, str(value).replace(" ", "")) for key, value in options.items())
    return " ".join(f"'model.roi_head.reid_head.teacher.model.{key}={value}'" for key, value in pairs)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = make_parser("convert reid", __doc__)
    parser.add_argument("source", help="the published checkpoint: file or URL")
    parser.add_argument("--from", dest="project", required=True, choices=list(PROJECTS), help="whose it is")
    parser.add_argument("--config", required=True, help="of a Re-ID model, file or name: the network of the teacher")
    parser.add_argument("--out", required=True, help="the teacher's checkpoint")
    add_config_options(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    with exit_on_bad_input("mmpersonsearch convert reid"):
        config = read_config(args.config, args.cfg_options)
        init_default_scope("mmpersonsearch")
        converted = convert(args.source, args.project, config)
    save_checkpoint(converted.checkpoint, args.out)
    print_summary(converted)
    print(f"wrote {args.out}; train the student with")
    asked = {k.removeprefix("model."): v for k, v in (args.cfg_options or {}).items() if k.startswith("model.")}
    print(f"  --cfg-options {student_options({**asked, **converted.checkpoint['meta']['options']})}")
