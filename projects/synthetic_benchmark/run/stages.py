"""Long commands in order: with progress bars and logs; an interrupted one resumes."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from mmengine.runner import find_latest_checkpoint
from tqdm import tqdm

from mmpersonsearch.utils.files import write_whole
from mmpersonsearch.utils.own_files import OwnFiles

PROJECT = Path(__file__).resolve().parents[1]
ROOT = PROJECT.parents[1]
LATEST = "latest.pth"
# Iter(train) [ 20/400] ... loss: 3.1 ...    Epoch(train) [1][20/400] ...    Iter(test) [ 5/200] ...
LOG_LINE = re.compile(
    r"(?:Iter|Epoch)\((?P<phase>\w+)\)\s+(?:\[\d+\])?\[\s*(?P<done>\d+)/(?P<total>\d+)\]"
    r"(?:.*?\bloss: (?P<loss>[\d.]+))?"
)
# cropping train:  40%|████      | 240/600 [00:01<00:02, ...]
TQDM_LINE = re.compile(r"(?P<what>[^%|]+): +\d+%\|.*?\| (?P<done>\d+)/(?P<total>\d+) ")


@dataclass
class Stage:
    """One command.

    Attributes:
        name: Names its log and its entry in ``stages.json``.
        title: For the user.
        command: Arguments of this Python interpreter.
        product: What it leaves behind; removed when an earlier stage runs anew.
        env: Variables that its config reads.
        minutes: About how long it takes, if that is known.
        beside: What it leaves behind beside its product.
    """

    name: str
    title: str
    command: list[str]
    product: Path
    env: dict[str, str] = field(default_factory=dict)
    minutes: float | None = None
    beside: tuple[Path, ...] = ()

    @property
    def made_by(self) -> list:
        """What its product depends on beside earlier stages."""
        return [self.command, self.env]


class StageFailedError(RuntimeError):
    """A stage's command ended with an error."""


class StageChain:
    """Runs stages, each of which uses what those before it made, and remembers which are complete.

    Args:
        work_dir: Folder that everything goes into.
        stages: In order.
        fresh: Whether to remove what an earlier chain left in the folder.

    Raises:
        InputError: The folder holds files, but no chain was run there; with ``fresh``, it holds what no chain wrote.
    """

    def __init__(self, work_dir: Path, stages: list[Stage], fresh: bool = False) -> None:
        self.stages = stages
        self.own_files = OwnFiles(work_dir, "stages")
        if fresh:
            self.own_files.remove(work_dir)
        elif not self.own_files.mark.exists():
            self.own_files.check(work_dir)
        self.logs = work_dir / "logs"
        self.memory = work_dir / "stages.json"
        self.complete = json.loads(self.memory.read_text()) if self.memory.exists() else {}

    def run(self) -> dict[str, float]:
        """Run what is not complete.

        Returns:
            Minutes by stage, of kept stages those of their run.

        Raises:
            StageFailedError: A command failed; names it and its log.
        """
        for i, stage in enumerate(self.stages):
            heading = f"[{i + 1}/{len(self.stages)}] {stage.title}"
            if self._is_complete(stage):
                print(f"{heading}: kept from an earlier run", flush=True)
                continue
            if stage.minutes is not None:
                heading += f" (about {describe_minutes(stage.minutes)})"
            print(heading, flush=True)
            self._forget(stage, later=self.stages[i + 1 :])
            start, log = time.monotonic(), self.logs / f"{stage.name}.log"
            with self.own_files.recording(stage.product, *stage.beside, self.logs):
                run_command(stage, log)
                link_latest_checkpoint(stage.product)
            self.complete[stage.name] = dict(made_by=stage.made_by, minutes=(time.monotonic() - start) / 60)
            self._remember()
        return {stage.name: self.complete[stage.name]["minutes"] for stage in self.stages}

    def count_minutes(self) -> float:
        """Add up how long the stages take that are to run."""
        first = next((i for i, stage in enumerate(self.stages) if not self._is_complete(stage)), len(self.stages))
        return sum(stage.minutes or 0 for stage in self.stages[first:])

    def _is_complete(self, stage: Stage) -> bool:
        return self.complete.get(stage.name, {}).get("made_by") == stage.made_by and stage.product.exists()

    def _forget(self, stage: Stage, later: list[Stage]) -> None:
        """Drop what was made from what this stage is about to replace; it may resume from its own product."""
        self.own_files.remove(*(path for outdated in later for path in (outdated.product, *outdated.beside)))
        self.complete.pop(stage.name, None)
        self._remember()

    def _remember(self) -> None:
        with self.own_files.recording(self.memory):
            write_whole(self.memory, json.dumps(self.complete, indent=2).encode())


def run_command(stage: Stage, log: Path) -> None:
    """Run a stage's command from the repository's root; its output goes to the log, its progress to the user.

    Raises:
        StageFailedError: The command failed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-u", *stage.command]
    progress = Progress()
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **stage.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            while chunk := os.read(process.stdout.fileno(), 1 << 16):
                file.write(chunk)
                file.flush()
                progress.read(chunk.decode(errors="replace"))
            status = process.wait()
        finally:
            progress.close()
            process.terminate()
            process.wait()
    if status:
        variables = [f"{name}={shlex.quote(value)}" for name, value in stage.env.items()]
        shown = " ".join([*variables, shlex.join([sys.executable, *stage.command])])
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise StageFailedError(
            f"{tail}\n\nThe stage {stage.title!r} failed (exit status {status}). In {ROOT}, this command:\n"
            f"  {shown}\nAll that it printed: {log}"
        )


class Progress:
    """Turns a command's output into a progress bar: MMEngine's log lines, or the command's own bar."""

    def __init__(self) -> None:
        self.bar: tqdm | None = None
        self.what = ""
        self.unfinished = ""

    def read(self, text: str) -> None:
        """Take in the next piece of output."""
        *lines, self.unfinished = re.split(r"[\r\n]", self.unfinished + text)
        for line in lines:
            if match := LOG_LINE.search(line):
                self._show(match["phase"], int(match["done"]), int(match["total"]), match["loss"])
            elif match := TQDM_LINE.search(line):
                self._show(match["what"], int(match["done"]), int(match["total"]), None)

    def close(self) -> None:
        """Leave the last bar where it stands."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def _show(self, what: str, done: int, total: int, loss: str | None) -> None:
        what = {"train": "training", "val": "validating", "test": "testing"}.get(what, what)
        if self.bar is None or (self.what, self.bar.total) != (what, total) or done < self.bar.n:
            self.close()
            self.what = what
            # Bars in a file or a CI log are a line each: seldom.
            seldom = 0.1 if sys.stderr.isatty() else 20
            self.bar = tqdm(desc=f"  {what}", total=total, mininterval=seldom, initial=done)
        if loss:
            self.bar.set_postfix(loss=loss, refresh=False)
        self.bar.update(done - self.bar.n)


def link_latest_checkpoint(folder: Path) -> None:
    """Give the last checkpoint of a finished training a name that does not depend on its schedule."""
    if (folder / "last_checkpoint").exists():
        link = folder / f".{LATEST}.{os.getpid()}"
        link.symlink_to(Path(find_latest_checkpoint(str(folder))).name)
        os.replace(link, folder / LATEST)  # it is never missing for another process


def describe_minutes(minutes: float) -> str:
    """Minutes in words, to half a minute."""
    if minutes < 1:
        return f"{60 * minutes:.0f} seconds"
    rounded = round(2 * minutes) / 2
    return f"{rounded:g} minute{'s' if rounded != 1 else ''}"
