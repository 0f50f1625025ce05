"""The package's configs, by name on the command line and by ``mmpersonsearch::`` in other configs."""

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
from mmpersonsearch.utils.files import describe_file

PACKAGE = Path(__file__).resolve().parents[1]
MMENGINE_TABLE = "mmengine.config.utils"


def list_configs() -> list[Path]:
    """Return the sorted paths of the package's configs, those of the papers and of the synthetic benchmark.

    Raises:
        FileNotFoundError: The package was installed without its configs.
    """
    paths = []
    for name in ("configs", "projects/synthetic_benchmark/configs"):
        folder = (PACKAGE / ".mim" / name).resolve()  # in a checkout, .mim has links
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is no folder: mmpersonsearch was installed without its configs")
        paths += folder.glob("*/*.py")
    return sorted(path for path in paths if path.parent.name != "_base_")


def find_config(path_or_name: str) -> str:
    """Find a config file.

    Args:
        path_or_name: A path, or the name of one of the package's configs, such as ``tdn_r50ibn_prw`` or
            ``tdn/tdn_r50ibn_prw.py``. An existing file takes precedence.

    Returns:
        The path.

    Raises:
        FileNotFoundError: There is neither such a file nor such a name; the message lists similar names.
        InputError: Several configs have the name.
    """
    path = osp.expanduser(path_or_name)
    if osp.isdir(path):
        raise InputError(f"config {path} is a folder, expected a file (.py) or a config's name")
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
        f"has this name; similar names: {', '.join(similar)}"
    )


def read_config_file(path: str) -> Config:  # noqa: F821  # pyright: ignore[reportUndefinedVariable]
    """Read a config file.

    Raises:
        InputError: It is something else, or its code fails; the message says what it seems to be.
    """
    from mmengine.config import Config

    if not path.endswith((".py", ".json", ".yaml", ".yml")):
        raise InputError(f"{path} {describe_file(path)}, expected a config (.py)")
    try:
        return Config.fromfile(path)
    except InputError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()
        raise InputError(f"config {path}: {type(error).__name__}: {reason[-1] if reason else error}") from error


def require_keys(config: Config, *keys: str) -> None:  # noqa: F821  # pyright: ignore[reportUndefinedVariable]
    """Raise ``InputError`` that names the keys which a config lacks, such as one of ``_base_``."""
    if missing := [key for key in keys if not config.get(key)]:
        raise InputError(
            f"config {config.filename} has no {', '.join(missing)}, expected a whole config, not a part such as those "
            "in _base_"
        )


def register_with_mmengine() -> None:
    """Have MMEngine read ``_base_ = "mmpersonsearch::tdn/tdn_r50ibn_prw.py"`` from the installed package.

    This adds the package to MMEngine's table of packages, when MMEngine is imported, to keep ``import mmpersonsearch``
    free of MMEngine and PyTorch.
    """
    if MMENGINE_TABLE in sys.modules:
        sys.modules[MMENGINE_TABLE].MODULE2PACKAGE.setdefault(PACKAGE.name, PACKAGE.name)
    elif not any(isinstance(finder, _TableFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _TableFinder())


class _TableFinder(MetaPathFinder):
    """Finder that adds the entry after the import of MMEngine's table, and removes itself."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != MMENGINE_TABLE:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        execute = spec.loader.exec_module

        def execute_and_add(module: ModuleType) -> None:
            execute(module)
            module.MODULE2PACKAGE.setdefault(PACKAGE.name, PACKAGE.name)

        spec.loader.exec_module = execute_and_add
        return spec
