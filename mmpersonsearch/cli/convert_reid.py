"""Convert a published Re-ID checkpoint of reid-strong-baseline, ReID-Survey (agw), fast-reid or LightMBN to a teacher.

mmpersonsearch convert reid market_bot_R50-ibn.pth --from fast-reid \\
    --config bot_r50ibn_prw --out work_dirs/bot_market/teacher.pth

Prints the options by which the student's config builds the network of this teacher.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from mmengine.registry import init_default_scope

from mmpersonsearch.models.teachers.convert import Conversion, convert
from mmpersonsearch.models.teachers.convert_names import PROJECTS
from mmpersonsearch.utils.checkpoint import COUNTERS, save_checkpoint
from mmpersonsearch.utils.files import check_out

from .command_line import add_config_options, exit_on_bad_input, make_parser, print_table
from .run_config import read_config_of


def print_summary(converted: Conversion) -> None:
    """Print the numbers of weights that were converted, skipped and set, by part of the model."""
    meta = converted.checkpoint["meta"]
    parts = Counter((origin.split(".")[0], key.split(".")[0]) for key, origin in converted.origins.items())
    rows = [(f"{source}.*", f"{part}.*", number) for (source, part), number in parts.items()]
    filled = Counter((re.sub(f".*({COUNTERS})", r"*\1", key), value) for key, value in meta["filled_in"].items())
    rows += [("", f"{key}, set to {value}", number) for (key, value), number in filled.items()]
    rows += [(key, f"skipped: {why}", 1) for key, why in converted.left.items()]
    print_table(f"{meta['source']} ({meta['converted_from']})", ("source", "teacher", "weights"), rows)


def student_options(options: dict[str, Any]) -> str:
    """Format the options of a teacher for the command line of its student."""
    pairs = ((key, str(value).replace(" ", "")) for key, value in options.items())
    return " ".join(f"'model.roi_head.reid_head.teacher.model.{key}={value}'" for key, value in pairs)


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("convert reid", __doc__)
    parser.add_argument("source", help="file or URL of the published checkpoint")
    parser.add_argument("--from", dest="project", required=True, choices=list(PROJECTS), help="its project")
    parser.add_argument("--config", required=True, help="config of the teacher's network, a Re-ID model; file or name")
    parser.add_argument("--out", required=True, help="the teacher's checkpoint to write")
    add_config_options(parser)
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch convert reid"):
        check_out(args.out, args.source, suffixes=(".pth",))
        config = read_config_of(args)
        init_default_scope("mmpersonsearch")
        converted = convert(args.source, args.project, config)
    save_checkpoint(converted.checkpoint, args.out)
    print_summary(converted)
    print(f"wrote {args.out}; train the student with")
    asked = {k.removeprefix("model."): v for k, v in (args.cfg_options or {}).items() if k.startswith("model.")}
    print(f"  --cfg-options {student_options({**asked, **converted.checkpoint['meta']['options']})}")
