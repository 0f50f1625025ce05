"""Train and test methods on the synthetic set over several seeds, and tabulate what comes out.

    python tools/benchmark_synth.py --seeds 0 1 2
    python tools/benchmark_synth.py --methods tdn-bot oim-star --seeds 3
    python tools/benchmark_synth.py --seeds            # only the tables of the runs so far
    python tools/benchmark_synth.py --seeds --measure  # speed and size of the methods, on an idle machine

``synth_methods.py`` lists the methods. Each finished run is one line of ``docs/synth_benchmark.jsonl``; a run that has
its line is not done again, and an interrupted training goes on from its last checkpoint. The tables in
``docs/synth_benchmark.md`` are written anew from the lines after each run.

Several processes of this command may run side by side (best one a core, with ``OMP_NUM_THREADS=1``): each takes what
none has begun. Teachers and detectors are trained once a seed and serve all methods that need them. All backbones,
teachers' too, start from those of a Re-ID model that was trained on another synthetic set, in the place that ImageNet's
weights have in the papers. Training is in mixed precision (``tools/train.py --amp``: bfloat16 on a CPU), testing in
float32; seed 0 is validated on the way, for the curves.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, stdev

from filelock import FileLock, Timeout
from mmengine.config import Config
from stages import LATEST, ROOT, Stage, StageFailedError, link_latest_checkpoint, run_command
from synth_methods import BUDGETS, COMPARISONS, METHODS, weights_config
from synth_set import FIGURES, data_variables, make_data_stages

from mmpersonsearch.utils.files import write_whole

LINES = ROOT / "docs/synth_benchmark.jsonl"
SIZES = ROOT / "docs/synth_benchmark_sizes.json"
PAGE = ROOT / "docs/synth_benchmark.md"
WEIGHTS_SEED = 1000  # of the set, with other persons and cameras, that the backbones' weights come from
BEGIN, END = "<!-- tables: written by tools/benchmark_synth.py -->", "<!-- end of tables -->"


class Bench:
    """Runs methods in a work dir.

    Args:
        work_dir: Absolute folder for data, checkpoints and logs.
    """

    def __init__(self, work_dir: Path) -> None:
        self.work_dir = work_dir
        self.weights_dir = work_dir / "weights"

    def prepare(self) -> None:
        """Draw the set and the one of the weights, and cut the Re-ID models' crops."""
        for folder, seed in ((self.work_dir, 0), (self.weights_dir, WEIGHTS_SEED)):
            for stage in make_data_stages(folder, seed):
                self._once(f"{folder.name}/{stage.name}", stage.command)

    def run_all(self, names: list[str], seeds: list[int]) -> None:
        """Run what has no line yet; each finished run becomes a line, and the tables are written anew.

        Args:
            names: Methods.
            seeds: In the order in which they are gone through.
        """
        for wait in (False, True):  # what other processes are at comes last
            for seed in seeds:
                missing = [name for name in names if not has_line(name, seed)]
                trainings = {(config, BUDGETS[name]) for name in missing for config in METHODS[name].needs.values()}
                for config, budget in sorted(trainings):
                    with self.lock(f"{Path(config).stem}_{budget}_seed{seed}", wait) as is_ours:
                        if is_ours:
                            self.train(config, budget, seed)
                for name in missing:
                    with self.lock(f"{name}_seed{seed}", wait) as is_ours:
                        if is_ours and not has_line(name, seed):
                            self._add_line(self.run(name, seed))

    @contextmanager
    def lock(self, name: str, wait: bool = True) -> Iterator[bool]:
        """Keep other processes off something; gives whether this process has it, always so with ``wait``."""
        path = self.work_dir / "locks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, blocking=wait)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()

    def _add_line(self, finished: dict) -> None:
        with self.lock("lines"):
            lines = [*read_lines(), finished]
            write_whole(LINES, "".join(json.dumps(line) + "\n" for line in lines).encode())
            write_tables(lines)

    def run(self, name: str, seed: int) -> dict:
        """Train what is needed and test.

        Returns:
            The run's line.
        """
        method, budget = METHODS[name], BUDGETS[name]
        folder, iterations = self._place(method.config, budget, seed)
        needed = {variable: str(self.train(config, budget, seed)) for variable, config in method.needs.items()}
        if method.is_two_step:
            checkpoint = folder / "joined.pth"
            parts = [needed["DETECTOR_CHECKPOINT"], needed["TEACHER_CHECKPOINT"]]
            join = ["tools/model_converters/join_two_step.py", method.config, *parts, "--out", str(checkpoint)]
            self._once(f"{folder.name}/join", join)
        else:
            checkpoint = self.train(method.config, budget, seed, needed)
        tested = folder / "test"
        command = ["tools/test.py", "--work-dir", str(tested), method.config, str(checkpoint)]
        self._once(f"{folder.name}/test", command)
        result = json.loads((tested / "result.json").read_text())
        return dict(
            method=name,
            seed=seed,
            config=method.config,
            budget=budget,
            iterations=iterations,
            **{figure: round(result[key], 4) for figure, key in FIGURES.items() if key in result},
            curve=read_curve(folder),
            data=result.get("protocol", {}).get("data"),
            versions=result["versions"],
            machine=f"{platform.machine()}, {_processor()}",
        )

    def train(self, config: str, budget: float, seed: int, needed: dict[str, str] | None = None) -> Path:
        """Train a config where that is not done.

        Args:
            config: Its path.
            budget: Factor of its iterations.
            seed: Of its random numbers.
            needed: Checkpoints by the config's variables.

        Returns:
            The last checkpoint.
        """
        folder, _ = self._place(config, budget, seed)
        env = data_variables(self.work_dir) | {"SYNTH_WEIGHTS": str(self.pretrain(weights_config(config)))}
        return self._train(config, folder, budget, seed, env | (needed or {}), with_curve=seed == 0)

    def pretrain(self, config: str) -> Path:
        """Train a Re-ID model on the set of the weights, where that is not done.

        Returns:
            The last checkpoint.
        """
        env = data_variables(self.weights_dir) | {"SYNTH_WEIGHTS": "none"}
        return self._train(config, self.weights_dir / Path(config).stem, 1, 0, env, with_curve=False)

    def _train(
        self, config: str, folder: Path, budget: float, seed: int, env: dict[str, str], *, with_curve: bool
    ) -> Path:
        os.environ.update(env)  # reading a config puts the variables in
        scaled = folder / "scaled_config.py"
        write_whole(scaled, scale_schedule(Config.fromfile(ROOT / config), budget, with_curve).pretty_text.encode())
        options = [f"randomness.seed={seed}", "default_hooks.logger.interval=10"]
        command = ["tools/train.py", str(scaled), "--resume", "--amp", "--work-dir", str(folder)]
        self._once(f"{folder.name}/train", [*command, "--cfg-options", *options])
        link_latest_checkpoint(folder)
        return folder / LATEST

    def _place(self, config: str, budget: float, seed: int) -> tuple[Path, int]:
        """A training's folder and number of iterations."""
        iterations = _scaled(Config.fromfile(ROOT / config).train_cfg.max_iters, budget)
        return self.work_dir / f"{Path(config).stem}_{iterations}i_seed{seed}", iterations

    def _once(self, name: str, command: list[str]) -> None:
        """Run a command unless an earlier run, or another process meanwhile, has finished it."""
        plain = name.replace("/", "_")
        done = self.work_dir / "done" / f"{plain}.json"
        with self.lock(plain):
            if done.exists() and json.loads(done.read_text()) == command:
                return
            print(f"== {name}", flush=True)
            stage = Stage(name, name, 0, command, done, data_variables(self.work_dir))
            run_command(stage, self.work_dir / "logs" / f"{plain}.log")
            write_whole(done, json.dumps(command).encode())


def scale_schedule(config: Config, budget: float, with_curve: bool) -> Config:
    """Multiply all iteration counts of a config's schedule.

    Args:
        config: Changed in place.
        budget: Factor.
        with_curve: Whether training validates four times on the way; else never.
    """
    iterations = config.train_cfg.max_iters = _scaled(config.train_cfg.max_iters, budget)
    config.train_cfg.val_interval = iterations // 4
    if not with_curve:
        config.train_cfg.val_begin = iterations + 1  # else the last iteration is validated whatever the interval
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


def measure_sizes(names: list[str]) -> None:
    """Measure images a second, parameters and floating-point operations of methods; keeps those of the others."""
    sizes = read_sizes()
    for name in names:
        config = METHODS[name].config
        command = [sys.executable, "tools/analysis_tools/benchmark.py", config, "--json", "--num-persons", "4"]
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


def is_current(line: dict) -> bool:
    """Whether a run had the budget that its comparison has now."""
    return line["budget"] == BUDGETS[line["method"]]


def has_line(name: str, seed: int) -> bool:
    """Whether a method's run with a seed is finished."""
    return any((line["method"], line["seed"]) == (name, seed) and is_current(line) for line in read_lines())


def make_tables(lines: list[dict], sizes: dict[str, dict[str, float]]) -> str:
    """One section in Markdown for each comparison that has runs.

    Args:
        lines: See :func:`read_lines`.
        sizes: See :func:`read_sizes`; what was not measured is left empty.
    """
    sections = []
    for comparison in COMPARISONS:
        if runs := [line for line in lines if line["method"] in comparison.methods and is_current(line)]:
            iterations = max(line["iterations"] for line in runs)
            sections += [f"## {comparison.title} ({iterations} iterations)", make_table(runs, sizes)]
            if curves := make_curves(runs):
                sections += ["mAP on the way, seed 0:", curves]
    return "\n\n".join(sections)


def make_table(lines: list[dict], sizes: dict[str, dict[str, float]]) -> str:
    """Mean and spread (standard deviation over the seeds) of each method's runs, in Markdown.

    Detectors have no figures of search.
    """
    header = ["method", "mAP", "top-1", "mAP, RCP", "top-1, RCP", "detection AP"]
    header += ["seeds", "images/s", "million parameters", "GFLOPs"]
    rows = []
    for name, method in METHODS.items():
        runs = [line for line in lines if line["method"] == name]
        if runs:
            figures = (_mean_and_spread([100 * run[key] for run in runs if key in run]) for key in list(FIGURES)[:5])
            size = [f"{value:.1f}" for value in sizes[name].values()] if name in sizes else [""] * 3
            rows.append([method.title, *figures, str(len(runs)), *size])
    return _in_markdown(header, rows)


def make_curves(lines: list[dict]) -> str:
    """Make a table of the mAP in validations during training, in Markdown; empty where no line has any."""
    runs = {line["method"]: line["curve"] for line in lines if line["curve"] and line["seed"] == 0}
    if not runs:
        return ""
    steps = sorted({step for curve in runs.values() for step, _ in curve})
    rows = [
        [METHODS[name].title, *(f"{100 * dict(curve)[step]:.1f}" if step in dict(curve) else "" for step in steps)]
        for name, curve in sorted(runs.items(), key=lambda run: list(METHODS).index(run[0]))
    ]
    return _in_markdown(["iterations", *map(str, steps)], rows)


def _in_markdown(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))


def _mean_and_spread(values: list[float]) -> str:
    if not values:
        return ""
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def write_tables(lines: list[dict]) -> None:
    """Replace the tables in the page."""
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    write_whole(PAGE, f"{before}{BEGIN}\n\n{make_tables(lines, read_sizes())}\n\n{END}{after}".encode())


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--measure", action="store_true", help="measure speed and size of the methods first")
    parser.add_argument("--work-dir", type=Path, default=ROOT / "work_dirs/synth_benchmark")
    args = parser.parse_args(argv)
    bench = Bench(args.work_dir.resolve())
    try:
        if args.measure:
            measure_sizes(args.methods)
        if args.seeds:
            bench.prepare()
            bench.run_all(args.methods, args.seeds)
    except StageFailedError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; the next run goes on from here.")
    write_tables(read_lines())
    print(make_tables(read_lines(), read_sizes()))


if __name__ == "__main__":
    main()
