"""Import hooks: ``mmcv._ext`` where MMCV has no compiled operators, torchvision beside a PyTorch without CUDA."""

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

EXT = "mmcv._ext"
_STAND_IN = Path(__file__).with_name("mmcv_ext.py")
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_libraries = []


class MMCVExtFinder(MetaPathFinder):
    """Finder of the stand-in for ``mmcv._ext``, ``mmcv_ext.py``; it is asked last, after a compiled one."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """See ``importlib``; ``None`` for every other module."""
        return importlib.util.spec_from_file_location(EXT, _STAND_IN) if fullname == EXT else None


class TorchvisionFinder(MetaPathFinder):
    """Finder that has ``torchvision`` loaded by :class:`TorchvisionLoader`; it is asked first."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """See ``importlib``; ``None`` for every other module."""
        spec = PathFinder.find_spec(fullname, path, target) if fullname == "torchvision" else None
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = TorchvisionLoader(fullname, spec.loader.path)
        return spec


class TorchvisionLoader(SourceFileLoader):
    """Loader that declares the operators that torchvision looks up, where its own library cannot load.

    The published torchvision wheel is a CUDA build: beside a CPU-only PyTorch its C++ library does not load
    and the import stops at ``operator torchvision::nms does not exist``. MMPretrain needs only its transforms,
    so the two schemas without kernels are enough.
    """

    def exec_module(self, module: ModuleType) -> None:
        """Run torchvision's code, and once more where the operators were missing."""
        try:
            super().exec_module(module)
        except RuntimeError as error:
            import torch

            if torch.version.cuda is not None or _libraries or "torchvision::" not in str(error):
                raise
            library = torch.library.Library("torchvision", "FRAGMENT")
            for schema in _SCHEMAS:
                library.define(schema)
            _libraries.append(library)  # the declaration lives as long as this object
            super().exec_module(module)


def install_import_hooks() -> None:
    """Put both finders into ``sys.meta_path``, once."""
    kinds = set(map(type, sys.meta_path))
    if MMCVExtFinder not in kinds:
        sys.meta_path.append(MMCVExtFinder())
    if TorchvisionFinder not in kinds:
        sys.meta_path.insert(0, TorchvisionFinder())
