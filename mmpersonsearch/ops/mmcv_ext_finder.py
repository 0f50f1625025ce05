"""Import hook that answers for ``mmcv._ext`` where MMCV was built without compiled operators."""

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

EXT = "mmcv._ext"
_STAND_IN = Path(__file__).with_name("mmcv_ext.py")


def make_stand_in_spec() -> ModuleSpec:
    """Describe the stand-in, ``mmcv_ext.py`` under the name of MMCV's compiled module."""
    return importlib.util.spec_from_file_location(EXT, _STAND_IN)


class MMCVExtFinder(MetaPathFinder):
    """Finder of the stand-in. It is the last one to be asked, so that a compiled ``mmcv._ext`` is found first."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """See ``importlib``; ``None`` for every other module."""
        return make_stand_in_spec() if fullname == EXT else None


def install_mmcv_ext_finder() -> None:
    """Put the finder at the end of ``sys.meta_path``, once."""
    if not any(isinstance(finder, MMCVExtFinder) for finder in sys.meta_path):
        sys.meta_path.append(MMCVExtFinder())
