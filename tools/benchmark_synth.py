"""Train and test methods on the synthetic set over several seeds, and tabulate what comes out.

    python tools/benchmark_synth.py --seeds 0 1 2
    python tools/benchmark_synth.py --methods tdn-bot oim-star --seeds 3
    python tools/benchmark_synth.py --seeds            # only the table of the runs so far
    python tools/benchmark_synth.py --seeds --measure  # speed and size of all methods, on an idle machine

Each finished run is one line of ``docs/synth_benchmark.jsonl``; a run that has its line is not done again, and an
interrupted training goes on from its last checkpoint. The table in ``docs/synth_benchmark.md`` is written anew from the
lines after each run. Teachers and detectors are trained once a seed and serve all methods that need them. Training is
in mixed precision (``tools/train.py --amp``: bfloat16 on a CPU), testing in float32; seed 0 is validated on
the way, for their curves.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev

from mmengine.config import Config
from stages import LATEST, ROOT, Stage, StageFailedError, link_latest_checkpoint, run_command
from synth_set import FIGURES, data_variables, make_data_stages

from mmpersonsearch.utils.files import write_whole

LINES = ROOT / "docs/synth_benchmark.jsonl"
SIZES = ROOT / "docs/synth_benchmark_sizes.json"
PAGE = ROOT / "docs/synth_benchmark.md"
BEGIN, END = "<!-- table: written by tools/benchmark_synth.py -->", "<!-- end of table -->"


@dataclass
class Method:
    """A row of the table.

    Attributes:
        title: In the table.
        config: What is tested, and trained unless it is a two-step model.
        needs: Configs of the models that it learns from or consists of, by the config's variable that names their
            checkpoint.
    """

    title: str
    config: str
    needs: dict[str, str] = field(default_factory=dict)

    @property
    def is_two_step(self) -> bool:
        """Whether it is put together from a detector and a Re-ID model, without training of its own."""
        return self.config.startswith("configs/two_step/")


BOT, MGN, AGW = ({"TEACHER_CHECKPOINT": f"configs/reid/{kind}_r18ibn_synth.py"} for kind in ("bot", "mgn", "agw"))
DETECTOR = {"DETECTOR_CHECKPOINT": "configs/two_step/faster-rcnn_r18ibn_synth.py"}
_TDN = "configs/tdn/tdn_r18ibn_synth"
METHODS = {
    "oim-star": Method("OIM*", f"{_TDN}_oim-star.py"),
    "baseline": Method("baseline", f"{_TDN}_baseline.py"),
    "wo-ktb": Method("baseline + teacher (TDN without KTB)", f"{_TDN}_wo-ktb.py", BOT),
    "wo-teacher": Method("TDN without teacher", f"{_TDN}_wo-teacher.py"),
    "tdn-bot": Method("TDN, BoT", f"{_TDN}.py", BOT),
    "tdn-mgn": Method("TDN, MGN", f"{_TDN}_mgn-teacher.py", MGN),
    "tdn-agw": Method("TDN, AGW", f"{_TDN}_agw-teacher.py", AGW),
    "two-step-bot": Method("two-step, BoT", "configs/two_step/faster-rcnn_bot_synth.py", DETECTOR | BOT),
    "two-step-mgn": Method("two-step, MGN", "configs/two_step/faster-rcnn_mgn_synth.py", DETECTOR | MGN),
    "two-step-agw": Method("two-step, AGW", "configs/two_step/faster-rcnn_agw_synth.py", DETECTOR | AGW),
}


class Bench:
    """Runs methods in a work dir.

    Args:
        work_dir: Absolute folder for data, checkpoints and logs.
        budget: Iterations of all trainings are the configs' times this.
    """

    def __init__(self, work_dir: Path, budget: float) -> None:
        self.work_dir = work_dir
        self.budget = budget
        self.env = data_variables(work_dir)

    def prepare(self) -> None:
        """Draw the set and cut the teachers' crops."""
        for stage in make_data_stages(self.work_dir):
            self._once(stage.name, stage.command)

    def run(self, name: str, seed: int) -> dict:
        """Train what is needed and test.

        Returns:
            The run's line.
        """
        method = METHODS[name]
        folder = self.work_dir / f"{name}_seed{seed}"
        started = time.monotonic()
        needed = {variable: str(self.train(config, seed)) for variable, config in method.needs.items()}
        if method.is_two_step:
            checkpoint = folder / "joined.pth"
            parts = [needed["DETECTOR_CHECKPOINT"], needed["TEACHER_CHECKPOINT"]]
            join = ["tools/model_converters/join_two_step.py", method.config, *parts, "--out", str(checkpoint)]
            self._once(f"{name}_seed{seed}/join", join)
        else:
            checkpoint = self.train(method.config, seed, needed)
        minutes = (time.monotonic() - started) / 60
        tested = folder / "test"
        command = ["tools/test.py", "--work-dir", str(tested), method.config, str(checkpoint)]
        self._once(f"{name}_seed{seed}/test", command)
        result = json.loads((tested / "result.json").read_text())
        return dict(
            method=name,
            seed=seed,
            config=method.config,
            budget=self.budget,
            iterations=_scaled(Config.fromfile(ROOT / method.config).train_cfg.max_iters, self.budget),
            **{figure: round(result[key], 4) for figure, key in FIGURES.items()},
            curve=read_curve(folder),
            minutes=round(minutes, 1),
            data=result["protocol"]["data"],
            versions=result["versions"],
            machine=f"{platform.machine()}, {_processor()}",
        )

    def train(self, config: str, seed: int, needed: dict[str, str] | None = None) -> Path:
        """Train a config where that is not done.

        Args:
            config: Its path.
            seed: Of its random numbers.
            needed: Checkpoints by the config's variables.

        Returns:
            The last checkpoint.
        """
        name = f"{Path(config).stem}_seed{seed}"
        own = next((key for key, method in METHODS.items() if method.config == config), None)
        folder = self.work_dir / (f"{own}_seed{seed}" if own else name)
        folder.mkdir(parents=True, exist_ok=True)
        # Reading a config puts the variables in.
        os.environ.update(self.env | (needed or {}))
        scaled = folder / "scaled_config.py"
        scale_schedule(Config.fromfile(ROOT / config), self.budget, with_curve=seed == 0).dump(scaled)
        options = [f"randomness.seed={seed}", "default_hooks.logger.interval=10"]
        command = ["tools/train.py", str(scaled), "--resume", "--amp", "--work-dir", str(folder)]
        command += ["--cfg-options", *options]
        self._once(f"{folder.name}/train", command)
        link_latest_checkpoint(folder)
        return folder / LATEST

    def _once(self, name: str, command: list[str]) -> None:
        """Run a command unless an earlier run has finished it."""
        done = self.work_dir / "done" / f"{name.replace('/', '_')}.json"
        if done.exists() and json.loads(done.read_text()) == command:
            return
        print(f"== {name}", flush=True)
        stage = Stage(name, name, 0, command, done, self.env)
        run_command(stage, self.work_dir / "logs" / f"{name.replace('/', '_')}.log")
        write_whole(done, json.dumps(command).encode())


def scale_schedule(config: Config, budget: float, with_curve: bool) -> Config:
    """Multiply all iteration counts of a config's schedule.

    Args:
        config: Changed in place.
        budget: Factor.
        with_curve: Whether training validates four times on the way; else never.
    """
    iterations = config.train_cfg.max_iters = _scaled(config.train_cfg.max_iters, budget)
    config.train_cfg.val_interval = iterations // 4 if with_curve else iterations + 1
    for scheduler in config.param_scheduler:
        scheduler.begin, scheduler.end = _scaled(scheduler.begin, budget), _scaled(scheduler.end, budget)
    for hook in config.get("custom_hooks", []):
        if hook.type == "LossWeightScheduleHook":
            hook.milestones = [(_scaled(time, budget), value) for time, value in hook.milestones]
    return config


def _scaled(iterations: int, budget: float) -> int:
    return max(round(iterations * budget), min(iterations, 1))  # no phase of a schedule vanishes


def read_curve(folder: Path) -> list[list[float]]:
    """(iteration, mAP) of the validations during training; empty where nothing was trained."""
    logs = sorted(folder.glob("*/vis_data/scalars.json"))
    lines = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    points = {line["step"]: line["person_search/mAP"] for line in lines if "person_search/mAP" in line}
    return [[step, round(value, 4)] for step, value in sorted(points.items())]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown processor"


def measure_sizes() -> None:
    """Measure images a second, parameters and floating-point operations of all methods."""
    sizes = {}
    for name, method in METHODS.items():
        command = [sys.executable, "tools/analysis_tools/benchmark.py", method.config, "--json", "--num-persons", "4"]
        command += ["--shape", "192", "336", "--rounds", "20"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        figures = json.loads(done.stdout.splitlines()[-1])["results"][0]
        sizes[name] = {key: figures[key] for key in ("images_per_second", "million_parameters", "gflops")}
        print(name, sizes[name], flush=True)
    write_whole(SIZES, (json.dumps(sizes, indent=2) + "\n").encode())


def read_sizes() -> dict[str, dict[str, float]]:
    """What was measured last, by method."""
    return json.loads(SIZES.read_text()) if SIZES.exists() else {}


def read_lines() -> list[dict]:
    """The finished runs."""
    return [json.loads(line) for line in LINES.read_text().splitlines()] if LINES.exists() else []


def make_table(lines: list[dict], sizes: dict[str, dict[str, float]]) -> str:
    """Mean and spread (standard deviation over the seeds) of each method's runs, in Markdown.

    Args:
        lines: See :func:`read_lines`.
        sizes: See :func:`read_sizes`; what was not measured is left empty.
    """
    header = ["method", "mAP", "top-1", "mAP, RCP", "top-1, RCP", "detection AP"]
    header += ["seeds", "images/s", "million parameters", "GFLOPs"]
    rows = [header, ["---"] * len(header)]
    for name, method in METHODS.items():
        runs = [line for line in lines if line["method"] == name]
        if runs:
            figures = (_mean_and_spread([100 * run[key] for run in runs]) for key in list(FIGURES)[:5])
            size = [f"{value:.1f}" for value in sizes[name].values()] if name in sizes else [""] * 3
            rows.append([method.title, *figures, str(len(runs)), *size])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _mean_and_spread(values: list[float]) -> str:
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def write_table(lines: list[dict]) -> None:
    """Replace the table in the page."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    write_whole(PAGE, f"{before}{BEGIN}\n{make_table(lines, read_sizes())}\n{END}{after}".encode())


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--budget", type=float, default=1.0, help="iterations, as a multiple of the configs'")
    parser.add_argument("--measure", action="store_true", help="measure speed and size of all methods first")
    parser.add_argument("--work-dir", type=Path, default=ROOT / "work_dirs/synth_benchmark")
    args = parser.parse_args(argv)
    bench = Bench(args.work_dir.resolve(), args.budget)
    try:
        if others := {line["budget"] for line in read_lines()} - {args.budget}:
            sys.exit(f"{LINES} has runs of the budget {others.pop():g}; --budget {args.budget:g} needs its own file")
        if args.measure:
            measure_sizes()
        if args.seeds:
            bench.prepare()
        for seed in args.seeds:
            for name in args.methods:
                lines = read_lines()
                if any((line["method"], line["seed"]) == (name, seed) for line in lines):
                    continue
                lines.append(bench.run(name, seed))
                write_whole(LINES, "".join(json.dumps(line) + "\n" for line in lines).encode())
                write_table(lines)
    except StageFailedError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; the next run goes on from here.")
    write_table(read_lines())
    print(make_table(read_lines(), read_sizes()))


if __name__ == "__main__":
    main()
