"""Which trainings a method needs: their configs, work dirs, seeds and digests."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from .data_stages import data_variables
from .digests import digest_config
from .methods import BUDGETS, METHODS, NEEDS, weights_config
from .stages import LATEST, ROOT


@dataclass
class Training:
    """A planned training.

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


class Planner:
    """Plans the trainings of the methods in a work dir.

    Args:
        work_dir: Absolute folder for data, checkpoints and logs.
    """

    def __init__(self, work_dir: Path) -> None:
        self.work_dir = work_dir
        self.weights_dir = work_dir / "weights"
        self._planned: dict[tuple, Training] = {}

    def plan_needed(self, name: str, seed: int) -> dict[str, Training]:
        """The trainings of what a method learns from or consists of, by the config's variables."""
        return self._plan_all(METHODS[name].needs, BUDGETS[name], seed)

    def _plan_all(self, needs: dict[str, str], budget: float, seed: int) -> dict[str, Training]:
        # A teacher that is a method of its own, as QEEPS, has needs, too.
        return {
            variable: self.plan_training(path, budget, seed, self._plan_all(NEEDS.get(path, {}), budget, seed))
            for variable, path in needs.items()
        }

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
            config = _read(root, path, needed)
            # What needs nothing makes the weights. Validation is not by pairs, whose figures the table has.
            with_curve = seed == 0 and bool(needed) and config.get("test_cfg", {}).get("type") != "PairSearchLoop"
            scale_schedule(config, budget, with_curve)
            folder = root / f"{Path(path).stem}_{config.train_cfg.max_iters}i_seed{seed}"
            needs = list(needed.values())
            digest = digest_config(config, [need.digest for need in needs], self.work_dir)
            self._planned[key] = Training(config, folder, seed, needs, digest)
        return self._planned[key]

    def trainings(self) -> list[Training]:
        """All that were planned so far."""
        return list(self._planned.values())

    def trained(self, name: str, seed: int) -> Training:
        """The training that a method's row names: its own, or that of the model that it tests."""
        if METHODS[name].tests is not None:
            return self.plan_needed(name, seed)[METHODS[name].tests]
        return self.plan(name, seed)

    def folder(self, name: str, seed: int) -> Path:
        """Where a method is trained, or put together, and tested."""
        iterations = self.trained(name, seed).config.train_cfg.max_iters
        return self.work_dir / f"{Path(METHODS[name].config).stem}_{iterations}i_seed{seed}"

    def digest(self, name: str, seed: int) -> str:
        """Fingerprint of all configs that a method's figures depend on; of the code it knows nothing."""
        if METHODS[name].tests is None:
            return self.plan(name, seed).digest
        needed = self.plan_needed(name, seed)
        config = _read(self.work_dir, METHODS[name].config, needed)
        return digest_config(config, [need.digest for need in needed.values()], self.work_dir)


def _read(root: Path, path: str, needed: dict[str, Training]) -> Config:
    checkpoints = {variable: str(training.checkpoint) for variable, training in needed.items()}
    os.environ.update({"SYNTH_WEIGHTS": "none"} | data_variables(root) | checkpoints)  # reading puts them in
    return Config.fromfile(ROOT / path)


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
