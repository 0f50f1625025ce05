"""Puts configs, tools, the synthetic benchmark and the model index into wheels, as ``.mim``; see pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PACKAGE = "mmpersonsearch"
PROJECT = "projects/synthetic_benchmark"  # the one that is distributed, without its results


class BuildWithMim(build_py):
    """Builds the package with ``.mim``, where MMEngine and OpenMIM look for configs and tools.

    A checkout has links there, so that editable installs see its files. Other builds get copies.
    """

    def run(self) -> None:
        """See :class:`build_py`."""
        super().run()
        if not self.editable_mode:
            copy_mim(Path(self.build_lib) / PACKAGE / ".mim")


def copy_mim(folder: Path) -> None:
    """Copy the files; what an earlier build has left is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("configs", "tools", PROJECT):
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "results", "notes")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    shutil.copy(ROOT / "model-index.yml", folder)


setup(cmdclass={"build_py": BuildWithMim})
