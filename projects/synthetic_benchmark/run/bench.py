"""Runs the benchmark's methods in a work dir that several processes may share."""

from __future__ import annotations

import json
import time
from collections import ChainMap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mmpersonsearch.utils.files import write_whole

from .data_stages import METRICS, data_variables, make_data_stages
from .digests import current_digest
from .methods import BUDGETS, METHODS
from .plan import Planner, Training
from .records import add_record, describe_machine, read_curve, read_records, run_of
from .stages import Stage, link_latest_checkpoint, run_command
from .tables import write_tables

WEIGHTS_SEED = 1000  # of the set, with other persons and cameras, that the backbones' weights come from


class Bench:
    """Runs methods in a work dir.

    Args:
        work_dir: Absolute folder for data, checkpoints and logs.
    """

    def __init__(self, work_dir: Path) -> None:
        self.work_dir = work_dir
        self.planner = Planner(work_dir)

    def prepare(self) -> None:
        """Draw the set and the one of the weights, and cut the Re-ID models' crops."""
        for folder, seed in ((self.work_dir, 0), (self.planner.weights_dir, WEIGHTS_SEED)):
            for stage in make_data_stages(folder, seed):
                self._once(f"{folder.name}/{stage.name}", stage.command)

    def run_all(self, names: list[str], seeds: list[int]) -> None:
        """Run what has no record yet; each finished run becomes a record, and the tables are written anew.

        Args:
            names: Methods.
            seeds: In the order in which they are run.
        """
        for wait in (False, True):  # what other processes have begun, and what needs it, comes last
            for seed in seeds:
                self._run_seed([name for name in names if not self.has_record(name, seed)], seed, wait)

    def _run_seed(self, names: list[str], seed: int, wait: bool) -> None:
        needed = {name: {t.folder: t for t in self.planner.plan_needed(name, seed).values()} for name in names}
        elsewhere = set()
        for folder, training in sorted(ChainMap(*needed.values()).items()):
            with self.lock(folder.name, wait) as is_ours:
                if is_ours:
                    self.train(training)
                else:
                    elsewhere.add(folder)
        for name in names:
            if elsewhere.isdisjoint(needed[name]):
                self._run_unless_begun(name, seed, wait)

    def _run_unless_begun(self, name: str, seed: int, wait: bool) -> None:
        # The lock is that of the training, which other methods may need.
        with self.lock(self.planner.folder(name, seed).name, wait) as is_ours:
            if is_ours and not self.has_record(name, seed):
                self._add_record(self.run(name, seed))

    @contextmanager
    def lock(self, name: str, wait: bool = True) -> Iterator[bool]:
        """Keep other processes off something; yields whether this process has it, always so with ``wait``."""
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

    def _add_record(self, finished: dict) -> None:
        with self.lock("records"):
            add_record(finished)
            write_tables()

    def has_record(self, name: str, seed: int) -> bool:
        """Whether a method's run with a seed is finished, with today's configs."""
        digests = [current_digest(record["digest"]) for record in read_records() if run_of(record) == (name, seed)]
        return digests == [self.planner.digest(name, seed)]

    def run(self, name: str, seed: int) -> dict:
        """Train what is needed and test.

        Returns:
            The run's record.
        """
        method, digest, folder = METHODS[name], self.planner.digest(name, seed), self.planner.folder(name, seed)
        trained = self.planner.trained(name, seed)
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
            **{metric: round(result[key], 4) for metric, key in METRICS.items() if key in result},
            curve=read_curve(folder),
            data=result.get("protocol", {}).get("data"),
            versions=result["versions"],
            machine=describe_machine(),
        )

    def _join(self, name: str, seed: int, path: Path, digest: str) -> Path:
        needed = self.planner.plan_needed(name, seed)
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
        """Run a command unless it is finished for the same configs, by an earlier run or by another process."""
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
