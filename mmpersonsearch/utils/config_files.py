"""The configs that come with the package: by name on the command line, as ``mmpersonsearch::`` in other configs."""

from __future__ import annotations

import difflib
import os.path as osp
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from mmpersonsearch.utils.errors import InputError

PACKAGE = Path(__file__).resolve().parents[1]
MMENGINE_TABLE = "mmengine.config.utils"


def list_configs() -> list[Path]:
    """Return the paths of the package's configs, without the parts in ``_base_``; in order.

    Raises:
        FileNotFoundError: The package was installed without its configs.
    """
    paths = (path for folder in _config_folders() for path in folder.glob("*/*.py"))
    return sorted(path for path in paths if path.parent.name != "_base_")


def find_config(path_or_name: str) -> str:
    """Find a config file.

    Args:
        path_or_name: A path, or the name of one of the package's configs: its stem, such as ``tdn_r50ibn_prw``. The
            name may end in ``.py`` and begin with its folders, ``tdn/tdn_r50ibn_prw.py``. A file that exists wins.

    Returns:
        The path.

    Raises:
        FileNotFoundError: There is neither such a file nor such a name; the message has the most similar names.
        InputError: Several configs have the name.
    """
    path = osp.expanduser(path_or_name)
    if osp.isfile(path):
        return path
    configs = list_configs()
    name = path_or_name.removesuffix(".py")
    found = [config for config in configs if config.with_suffix("").as_posix().endswith(f"/{name}")]
    if len(found) == 1:
        return str(found[0])
    if found:
        raise InputError(f"several configs have the name {path_or_name}: {', '.join(map(str, found))}")
    stems = [config.stem for config in configs]
    similar = difflib.get_close_matches(osp.basename(name), stems, n=3) or ["none; mmpersonsearch configs lists all"]
    raise FileNotFoundError(
        f"config file {path_or_name} does not exist (looked for {osp.abspath(path)}), and no config of the package "
        f"has this name; similar ones: {', '.join(similar)}"
    )


def register_with_mmengine() -> None:
    """Have MMEngine read ``_base_ = "mmpersonsearch::tdn/tdn_r50ibn_prw.py"`` from the installed package.

    MMEngine looks package names up in a table. The entry is made when MMEngine's module is imported, so that this
    package does not import MMEngine, and PyTorch with it, just for that.
    """
    if MMENGINE_TABLE in sys.modules:
        _add_entry(sys.modules[MMENGINE_TABLE])
    elif not any(isinstance(finder, _TableFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _TableFinder())


class _TableFinder(MetaPathFinder):
    """Makes the entry behind the import of MMEngine's table, then steps aside."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See :meth:`importlib.abc.MetaPathFinder.find_spec`; any other module is left to the other finders."""
        if fullname != MMENGINE_TABLE:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        execute = spec.loader.exec_module

        def execute_and_add(module: ModuleType) -> None:
            execute(module)
            _add_entry(module)

        spec.loader.exec_module = execute_and_add
        return spec


def _add_entry(table: ModuleType) -> None:
    table.MODULE2PACKAGE.setdefault(PACKAGE.name, PACKAGE.name)


def _config_folders() -> list[Path]:
    """The papers' configs and those of the synthetic benchmark, in a checkout by links to them."""
    folders = [(PACKAGE / ".mim" / name).resolve() for name in ("configs", "projects/synthetic_benchmark/configs")]
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is no folder: mmpersonsearch was installed without its configs")
    return folders
