"""Train and test methods on the synthetic set over several seeds, and tabulate what comes out.

    python tools/benchmark_synth.py --seeds 0 1 2
    python tools/benchmark_synth.py --methods tdn-bot oim-star --seeds 3
    python tools/benchmark_synth.py --seeds            # only the tables of the runs so far
    python tools/benchmark_synth.py --seeds --measure  # speed and size of the methods, on an idle machine

``synth_methods.py`` lists the methods. Each finished run is one line of ``docs/synth_benchmark.jsonl``; a run that has
its line is not done again, and an interrupted training goes on from its last checkpoint, unless configs have changed: a
line has a fingerprint (``digest``) of what its configs said. The tables in ``docs/synth_benchmark.md`` are written anew
from the lines after each run.

Several processes of this command may run side by side (best one a core, with ``OMP_NUM_THREADS=1``): each takes what
none has begun. Teachers and detectors are trained once a seed and serve all methods that need them. All backbones,
teachers' too, start from those of a Re-ID model that was trained on another synthetic set, in the place that ImageNet's
weights have in the papers. Training is in mixed precision (``tools/train.py --amp``: bfloat16 on a CPU), testing in
float32; seed 0 is validated on the way, for the curves.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from collections import ChainMap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
# Fingerprints of configs that have changed in words only, such as the name of a part, and those of today.
RENAMED = ROOT / "docs/synth_benchmark_digests.json"
PAGE = ROOT / "docs/synth_benchmark.md"
# What of a config its figures depend on, beside the number of iterations.
DIGESTED = (
    "model",
    "train_dataloader",
    "optim_wrapper",
    "param_scheduler",
    "custom_hooks",
    "test_dataloader",
    "test_evaluator",
)
WEIGHTS_SEED = 1000  # of the set, with other persons and cameras, that the backbones' weights come from
BEGIN, END = "<!-- tables: written by tools/benchmark_synth.py -->", "<!-- end of tables -->"


@dataclass
class Training:
    """A training that is wanted.

    Attributes:
        config: With its schedule scaled and its checkpoints' paths filled in.
        folder: Its work dir.
        seed: Of its random numbers.
        needs: Trainings whose checkpoints it reads.
        digest: Of the config and of those of ``needs``.
    """

    config: Config
    folder: Path
    seed: int
    needs: list[Training]
    digest: str

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint."""
        return self.folder / LATEST


class Bench:
    """Runs methods in a work dir.

    Args:
        work_dir: Absolute folder for data, checkpoints and logs.
    """

    def __init__(self, work_dir: Path) -> None:
        self.work_dir = work_dir
        self.weights_dir = work_dir / "weights"
        self._planned: dict[tuple, Training] = {}

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
        for wait in (False, True):  # what other processes are at, and what needs it, comes last
            for seed in seeds:
                missing = [name for name in names if not self.has_line(name, seed)]
                needed = {name: {t.folder: t for t in self.plan_needed(name, seed).values()} for name in missing}
                elsewhere = set()
                for folder, training in sorted(ChainMap(*needed.values()).items()):
                    with self.lock(folder.name, wait) as is_ours:
                        if is_ours:
                            self.train(training)
                        else:
                            elsewhere.add(folder)
                for name in missing:
                    if elsewhere.isdisjoint(needed[name]):
                        self._run_unless_begun(name, seed, wait)

    def _run_unless_begun(self, name: str, seed: int, wait: bool) -> None:
        # The lock is that of the training, which other methods may need.
        with self.lock(self.folder(name, seed).name, wait) as is_ours:
            if is_ours and not self.has_line(name, seed):
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
            others = [line for line in read_lines() if _run_of(line) != _run_of(finished)]
            lines = [*others, finished]
            write_whole(LINES, "".join(json.dumps(line) + "\n" for line in lines).encode())
            write_tables(lines)

    def has_line(self, name: str, seed: int) -> bool:
        """Whether a method's run with a seed is finished, by configs that say what they say now."""
        digests = [current_digest(line["digest"]) for line in read_lines() if _run_of(line) == (name, seed)]
        return digests == [self.digest(name, seed)]

    def plan_needed(self, name: str, seed: int) -> dict[str, Training]:
        """The trainings of what a method learns from or consists of, by the config's variables."""
        budget = BUDGETS[name]
        return {variable: self.plan_training(path, budget, seed, {}) for variable, path in METHODS[name].needs.items()}

    def plan(self, name: str, seed: int) -> Training:
        """A method's own training; it must not be a two-step model."""
        return self.plan_training(METHODS[name].config, BUDGETS[name], seed, self.plan_needed(name, seed))

    def plan_training(self, path: str, budget: float, seed: int, needed: dict[str, Training]) -> Training:
        """Plan to train a config from the weights of its backbone.

        Args:
            path: The config's.
            budget: Factor of its iterations.
            seed: Of its random numbers.
            needed: Other trainings, by the config's variables that name their checkpoints.
        """
        weights = self._plan(self.weights_dir, weights_config(path), 1, 0, {})
        return self._plan(self.work_dir, path, budget, seed, {"SYNTH_WEIGHTS": weights, **needed})

    def _plan(self, root: Path, path: str, budget: float, seed: int, needed: dict[str, Training]) -> Training:
        key = (root, path, budget, seed)
        if key not in self._planned:
            # What needs nothing makes the weights.
            config = scale_schedule(_read(root, path, needed), budget, with_curve=seed == 0 and bool(needed))
            folder = root / f"{Path(path).stem}_{config.train_cfg.max_iters}i_seed{seed}"
            needs = list(needed.values())
            self._planned[key] = Training(config, folder, seed, needs, self._digest(config, needs))
        return self._planned[key]

    def _trained(self, name: str, seed: int) -> Training:
        """The training that a method's row names: its own, or a two-step model's detector."""
        if METHODS[name].is_two_step:
            return self.plan_needed(name, seed)["DETECTOR_CHECKPOINT"]
        return self.plan(name, seed)

    def folder(self, name: str, seed: int) -> Path:
        """Where a method is trained, or put together, and tested."""
        iterations = self._trained(name, seed).config.train_cfg.max_iters
        return self.work_dir / f"{Path(METHODS[name].config).stem}_{iterations}i_seed{seed}"

    def digest(self, name: str, seed: int) -> str:
        """Fingerprint of all configs that a method's figures depend on; of the code it knows nothing."""
        if not METHODS[name].is_two_step:
            return self.plan(name, seed).digest
        needed = self.plan_needed(name, seed)
        return self._digest(_read(self.work_dir, METHODS[name].config, needed), list(needed.values()))

    def _digest(self, config: Config, needs: list[Training]) -> str:
        parts = {key: value for key, value in config.to_dict().items() if key in DIGESTED}
        parts["iterations"] = config.get("train_cfg", {}).get("max_iters")
        text = json.dumps(parts, sort_keys=True, default=str).replace(str(self.work_dir), "")
        return hashlib.sha256("".join([text, *(need.digest for need in needs)]).encode()).hexdigest()[:16]

    def run(self, name: str, seed: int) -> dict:
        """Train what is needed and test.

        Returns:
            The run's line.
        """
        method, digest, folder = METHODS[name], self.digest(name, seed), self.folder(name, seed)
        trained = self._trained(name, seed)
        if method.is_two_step:
            checkpoint = self._join(name, seed, folder / "joined.pth", digest)
        else:
            checkpoint = self.train(trained)
        tested = folder / "test"
        command = ["tools/test.py", "--work-dir", str(tested), method.config, str(checkpoint)]
        self._once(f"{folder.name}/test", command, digest)
        result = json.loads((tested / "result.json").read_text())
        return dict(
            method=name,
            seed=seed,
            config=method.config,
            digest=digest,
            budget=BUDGETS[name],
            iterations=trained.config.train_cfg.max_iters,
            **{figure: round(result[key], 4) for figure, key in FIGURES.items() if key in result},
            curve=read_curve(folder),
            data=result.get("protocol", {}).get("data"),
            versions=result["versions"],
            machine=f"{platform.machine()}, {_processor()}",
        )

    def _join(self, name: str, seed: int, path: Path, digest: str) -> Path:
        needed = self.plan_needed(name, seed)
        parts = [str(self.train(needed[part])) for part in ("DETECTOR_CHECKPOINT", "TEACHER_CHECKPOINT")]
        command = ["tools/model_converters/join_two_step.py", METHODS[name].config, *parts, "--out", str(path)]
        self._once(f"{path.parent.name}/join", command, digest)
        return path

    def train(self, training: Training) -> Path:
        """Train what is not trained, needed trainings first.

        Returns:
            The last checkpoint.
        """
        for needed in training.needs:
            self.train(needed)
        folder, digest = training.folder, training.digest
        scaled, started = folder / "scaled_config.py", folder / "digest"

        def prepare() -> None:
            if folder.exists() and (not started.exists() or current_digest(started.read_text()) != digest):
                folder.rename(folder.with_name(f"{folder.name}_outdated_{time.strftime('%Y%m%d_%H%M%S')}"))
            write_whole(scaled, training.config.pretty_text.encode())
            write_whole(started, digest.encode())

        command = ["tools/train.py", str(scaled), "--resume", "--amp", "--work-dir", str(folder), "--cfg-options"]
        options = [f"randomness.seed={training.seed}", "default_hooks.logger.interval=10"]
        self._once(f"{folder.name}/train", [*command, *options], digest, prepare)
        link_latest_checkpoint(folder)
        return training.checkpoint

    def _once(
        self, name: str, command: list[str], digest: str = "", prepare: Callable[[], None] = lambda: None
    ) -> None:
        """Run a command unless an earlier run, or another process meanwhile, has finished it for the same configs."""
        plain = name.replace("/", "_")
        done = self.work_dir / "done" / f"{plain}.json"
        record = {"command": command, "digest": digest}
        with self.lock(plain):
            if done.exists():
                before = json.loads(done.read_text())
                if {**before, "digest": current_digest(before["digest"])} == record:
                    return
            print(f"== {name}", flush=True)
            prepare()
            stage = Stage(name, name, command, done, data_variables(self.work_dir))
            run_command(stage, self.work_dir / "logs" / f"{plain}.log")
            write_whole(done, json.dumps(record).encode())


def _read(root: Path, path: str, needed: dict[str, Training]) -> Config:
    checkpoints = {variable: str(training.checkpoint) for variable, training in needed.items()}
    os.environ.update({"SYNTH_WEIGHTS": "none"} | data_variables(root) | checkpoints)  # reading puts them in
    return Config.fromfile(ROOT / path)


def current_digest(digest: str) -> str:
    """The fingerprint of today's configs for one that may be older; what no map knows stays as it is."""
    renamed = json.loads(RENAMED.read_text())
    while digest in renamed:
        digest = renamed[digest]
    return digest


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


def _run_of(line: dict) -> tuple[str, int]:
    return line["method"], line["seed"]


def is_current(line: dict) -> bool:
    """Whether a run had the budget that its comparison has now."""
    return line["budget"] == BUDGETS[line["method"]]


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
