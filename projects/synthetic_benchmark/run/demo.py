"""Run all steps on the synthetic set: draw it, train a Re-ID teacher, train TDN, test it, show what it finds.

Each stage that is complete already is kept; an interrupted training resumes from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from mmpersonsearch.cli.command_line import exit_on_bad_input
from mmpersonsearch.utils.files import write_whole

from .data_stages import METRICS, data_variables, make_data_stages
from .machine_speed import MachineSpeed, measure_speed
from .methods import CONFIGS
from .stages import LATEST, ROOT, Stage, StageChain, StageFailedError, describe_minutes

TEACHER = f"{CONFIGS}/reid/bot_r18ibn_synth_demo.py"
TDN = f"{CONFIGS}/tdn/tdn_r18ibn_synth_demo.py"
CROP_SIZE = (96, 48)
LOG_OFTEN = "default_hooks.logger.interval=5"
# What each stage takes in units of MachineSpeed's two tasks: (convolutions, Python).
WORK = {
    "synth": (0, 1150),
    "crops-train": (0, 630),
    "teacher": (4800, 400),
    "tdn": (8750, 400),
    "test": (700, 400),
    "ranking": (0, 400),
}


def make_stages(work_dir: Path, seed: int = 0) -> list[Stage]:
    """Lay out the stages.

    Args:
        work_dir: Absolute folder that everything goes into.
        seed: Of both trainings; the set stays the same.
    """
    teacher, tdn, test, picture = (work_dir / name for name in ("teacher", "tdn", "test", "ranking.png"))
    roots = data_variables(work_dir)
    checkpoint = str(teacher / LATEST)
    env = {**roots, "TEACHER_CHECKPOINT": checkpoint, "SYNTH_WEIGHTS": checkpoint}
    train = ["tools/train.py", "--resume", "--cfg-options", LOG_OFTEN, f"randomness.seed={seed}", "--work-dir"]
    predictions, tested = str(test / "predictions.pkl"), [TDN, str(tdn / LATEST)]
    return [
        *make_data_stages(work_dir, crop_size=CROP_SIZE, splits=("train",)),
        Stage("teacher", "Train the Re-ID teacher", [*train, str(teacher), TEACHER], teacher, roots),
        Stage("tdn", "Train TDN", [*train, str(tdn), TDN], tdn, env),
        Stage(
            "test",
            "Test TDN, with and without RCP",
            ["tools/test.py", "--cfg-options", LOG_OFTEN, "--work-dir", str(test), "--out", predictions, *tested],
            test,
            env,
        ),
        Stage(
            "ranking",
            "Draw the best matches of some queries",
            ["tools/analysis_tools/show_ranking.py", TDN, predictions, "--out", str(picture)],
            picture,
            env,
        ),
    ]


def estimate_minutes(stages: list[Stage], speed: MachineSpeed) -> None:
    """Set how long the stages take on a machine of this speed."""
    for stage in stages:
        convolutions, python = WORK[stage.name]
        stage.minutes = speed.minutes(convolutions, python)


def write_result(work_dir: Path, minutes: dict[str, float]) -> dict:
    """Write ``result.json`` from the test's metrics.

    Returns:
        What is written.
    """
    metrics = json.loads((work_dir / "test" / "result.json").read_text())
    result = {name: metrics[key] for name, key in METRICS.items()}
    result["minutes"] = {name: round(value, 2) for name, value in minutes.items()}
    result.update({name: metrics[name] for name in ("protocol", "model", "versions")})
    write_whole(work_dir / "result.json", (json.dumps(result, indent=2) + "\n").encode())
    return result


def print_summary(result: dict, work_dir: Path) -> None:
    """Show the metrics and where the results are."""
    print("\nTDN on the synthetic set (%)")
    print(f"{'':14}{'mAP':>8}{'top-1':>8}")
    print(f"{'similarity':14}{100 * result['mAP']:8.1f}{100 * result['top-1']:8.1f}")
    print(f"{'with RCP':14}{100 * result['mAP_rcp']:8.1f}{100 * result['top-1_rcp']:8.1f}")
    print(f"detection: AP {100 * result['det_ap']:.1f}, recall {100 * result['det_recall']:.1f}")
    print(f"time: {describe_minutes(sum(result['minutes'].values()))}\n")
    for what, name in (
        ("metrics", "result.json"),
        ("best matches", "ranking.png"),
        ("model", f"tdn/{LATEST}"),
        ("teacher", f"teacher/{LATEST}"),
        ("logs", "logs"),
    ):
        print(f"{what:14}{_readable(work_dir / name)}")


def _readable(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--work-dir", type=Path, default=ROOT / "work_dirs/demo", help="folder for everything")
    parser.add_argument("--seed", type=int, default=0, help="of both trainings; the set stays the same")
    parser.add_argument(
        "--fresh", action="store_true", help="begin anew: removes what an earlier run left in the work dir"
    )
    args = parser.parse_args(argv)
    work_dir = args.work_dir.resolve()
    # So that the running command is ended with this one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        stages = make_stages(work_dir, args.seed)
        with exit_on_bad_input("demo.py"):
            chain = StageChain(work_dir, stages, args.fresh)
        estimate_minutes(stages, measure_speed())
        print(f"On this machine the demo takes about {describe_minutes(chain.count_minutes())}.", flush=True)
        with exit_on_bad_input("demo.py"):
            minutes = chain.run()
    except StageFailedError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; the next run resumes from here.")
    with chain.own_files.recording(work_dir / "result.json"):
        result = write_result(work_dir, minutes)
    print_summary(result, work_dir)


if __name__ == "__main__":
    main()
