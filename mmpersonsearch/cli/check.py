"""Check all that can be known of a config before its training starts, and list the faults.

Annotations, identities, boxes, queries and image files of all splits; thresholds; the checkpoints of teachers and LUTs
against the model; batches and schedule. Exit status: 0 without errors (warnings may be left), 1 with errors, 2 for
wrong arguments.

    mmpersonsearch check tdn_r50ibn_prw
"""

import os
import sys

from mmengine.registry import init_default_scope

from mmpersonsearch.engine.num_ids import open_parts, set_num_ids
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.config_files import require_keys
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.faults import ERROR, WARNING

from .command_line import add_config, count, exit_on_bad_input, make_parser, name_variables
from .config_checks import SPLITS, check_config, count_readable_identities
from .run_config import read_config_of


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("check", __doc__)
    add_config(parser)
    parser.add_argument("--no-images", action="store_true", help="do not decode the images")
    parser.add_argument(
        "--workers",
        type=count,
        default=len(os.sched_getaffinity(0)),
        help="processes that decode images, 0: none beside this; default: %(default)s",
    )
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch check"):
        config = read_config_of(args)
        if not any(config.get(f"{name}_dataloader") for name in SPLITS):
            raise InputError(f"{config.filename} has no {', '.join(f'{name}_dataloader' for name in SPLITS)}")
        require_keys(config, "model", *(["train_cfg"] if config.get("train_dataloader") else []))
        init_default_scope(config.get("default_scope", "mmpersonsearch"))
        model, failure = None, None
        try:
            if any(open_parts(config.model)):
                set_num_ids(config.model, max(1, count_readable_identities(config)))
            model = MODELS.build(config.model)
        # Any error of a config's model is one of the faults.
        except Exception as error:
            failure = f"cannot be built: {type(error).__name__}: {error}"
        faults = check_config(config, model, workers=None if args.no_images else args.workers)
        if failure:
            faults.add_message(ERROR, "model", failure)
    for severity in (ERROR, WARNING):
        for line in faults.lines(severity):
            print(f"{severity}: {line}{name_variables(line)}")
    errors, warnings = (len(faults.lines(severity)) for severity in (ERROR, WARNING))
    print(f"{config.filename}: errors {errors}, warnings {warnings}")
    sys.exit(1 if errors else 0)
