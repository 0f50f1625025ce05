"""Import hooks for ``mmcv._ext`` without compiled operators, and for torchvision with a PyTorch without CUDA."""

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

EXT = "mmcv._ext"
_REPLACEMENT = Path(__file__).with_name("mmcv_ext.py")
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_libraries = []


class _MMCVExtFinder(MetaPathFinder):
    """Finder of ``mmcv_ext.py`` as ``mmcv._ext``, after all other finders."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return importlib.util.spec_from_file_location(EXT, _REPLACEMENT) if fullname == EXT else None


class _TorchvisionFinder(MetaPathFinder):
    """Finder of torchvision for :class:`_TorchvisionLoader`, before all other finders."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname == "torchvision" else None
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _TorchvisionLoader(fullname, spec.loader.path)
        return spec


class _TorchvisionLoader(SourceFileLoader):
    """Loader of torchvision that declares its operators if its library does not load.

    The library of the published wheel needs CUDA. With a CPU-only PyTorch, the import fails with ``operator
    torchvision::nms does not exist``. MMPretrain needs only the transforms, so schemas without kernels are enough.
    """

    def exec_module(self, module: ModuleType) -> None:
        try:
            super().exec_module(module)
        except RuntimeError as error:
            import torch

            if torch.version.cuda is not None or _libraries or "torchvision::" not in str(error):
                raise
            library = torch.library.Library("torchvision", "FRAGMENT")
            for schema in _SCHEMAS:
                library.define(schema)
            _libraries.append(library)  # the schemas live as long as this object
            super().exec_module(module)


def install_import_hooks() -> None:
    """Add both finders to ``sys.meta_path``, once."""
    kinds = set(map(type, sys.meta_path))
    if _MMCVExtFinder not in kinds:
        sys.meta_path.append(_MMCVExtFinder())
    if _TorchvisionFinder not in kinds:
        sys.meta_path.insert(0, _TorchvisionFinder())
