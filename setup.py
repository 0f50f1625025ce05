"""Puts configs, tools and model index into the package, as ``.mim``; all else about the build is in pyproject.toml."""

import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
PACKAGE = "mmpersonsearch"
MIM = ("configs", "tools", "model-index.yml")


class BuildWithMim(build_py):
    """Builds the package with ``.mim``, where MMEngine and OpenMIM look for it: copies, in editable installs links."""

    def run(self) -> None:
        """See :class:`build_py`."""
        super().run()
        if self.editable_mode:
            link_mim(ROOT / PACKAGE / ".mim")
        else:
            copy_mim(Path(self.build_lib) / PACKAGE / ".mim")

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """What :meth:`run` writes."""
        folder = Path(self.build_lib) / PACKAGE / ".mim"
        mim = [] if self.editable_mode else [str(path) for path in folder.rglob("*") if path.is_file()]
        return [*super().get_outputs(include_bytecode), *mim]


def link_mim(folder: Path) -> None:
    """Link to the checkout's files, so that changes in them are seen."""
    folder.mkdir(exist_ok=True)
    for name in MIM:
        link = folder / name
        if link.is_symlink():
            link.unlink()
        os.symlink(os.path.relpath(ROOT / name, folder), link)


def copy_mim(folder: Path) -> None:
    """Copy the files; what an earlier build has left is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in MIM:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(source, folder / name)


setup(cmdclass={"build_py": BuildWithMim})
