"""Make ``import torchvision`` work beside a PyTorch that has no CUDA."""

import importlib.util

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_libraries = []


def declare_torchvision_ops() -> None:
    """Declare the operators that ``import torchvision`` looks up, where its own library cannot load.

    The published torchvision wheel is a CUDA build: beside a CPU-only PyTorch its C++ library does not load
    and the import stops at ``operator torchvision::nms does not exist``. MMPretrain needs only its transforms,
    so the two schemas without kernels are enough. Does nothing where the operators exist or can be loaded.
    """
    if torch.version.cuda is not None or importlib.util.find_spec("torchvision") is None:
        return
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        library = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _SCHEMAS:
            library.define(schema)
        _libraries.append(library)  # the declaration lives as long as this object
        import torchvision  # noqa: F401
