"""Registries of the scope ``mmpersonsearch``.

Each is a child of MMDetection's registry of the same kind, so that configs find MMDetection's parts as
``mmdet.X`` and MMDetection's own nested defaults (``BboxOverlaps2D`` in an assigner) are found without a prefix.
MMDetection is imported when one of them is first used; rankings, which have no parent there, need it never.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import ModuleType

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry

_SCOPE = "mmpersonsearch"


class MMDetChildRegistry(Registry):
    """Registry whose parent is MMDetection's of the same kind, or MMEngine's where MMDetection is not installed.

    MMEngine finds it by its scope from the start: at first it hangs in the tree below MMEngine's registry. The first
    registration or look-up imports MMDetection.

    Args:
        kind: Name of MMEngine's and MMDetection's registry, such as ``'MODELS'``.
        name: Name for messages; None for MMEngine's.
        locations: Modules of this package whose import registers the members.
    """

    def __init__(self, kind: str, locations: list[str], name: str | None = None) -> None:
        self._kind = kind
        root: Registry = getattr(mmengine_registry, kind)
        # With a build function MMEngine does not ask the parent for its own, which is the same.
        super().__init__(name or root.name, build_func=root.build_func, parent=root, scope=_SCOPE, locations=locations)

    @property
    def parent(self) -> Registry:
        """MMDetection's or MMEngine's registry."""
        return getattr(import_mmdet(), self._kind)

    @parent.setter
    def parent(self, root: Registry) -> None:
        """MMEngine's constructor names the root of the tree, below which it has put this registry."""

    def register_module(self, *args, **kwargs) -> type | Callable:
        """See MMEngine; MMCV's operators are prepared before a module that registers is used."""
        import_mmdet()
        return super().register_module(*args, **kwargs)

    def import_from_location(self) -> None:
        """See MMEngine; errors of MMDetection's import name the installed packages."""
        import_mmdet()
        super().import_from_location()


@cache
def import_mmdet() -> ModuleType:
    """Prepare MMCV's operators, then import MMDetection's registries.

    Returns:
        The module of the registries; MMEngine's where MMDetection or MMCV is not installed.

    Raises:
        ImportError: The installed packages do not fit each other.
    """
    from mmpersonsearch.ops.mmcv_ops import prepare_mmcv_ops
    from mmpersonsearch.utils.openmmlab import name_packages_in_errors

    prepare_mmcv_ops()
    try:
        with name_packages_in_errors():
            from mmdet import registry
    except ModuleNotFoundError as error:
        # Metrics, memories and losses also serve without MMDetection.
        if error.name not in ("mmdet", "mmcv"):
            raise
        return mmengine_registry
    return registry


_MODELS = ("backbones", "detectors", "roi_heads", "reid", "memories", "losses")

DATASETS = MMDetChildRegistry("DATASETS", ["mmpersonsearch.datasets"])
DATA_SAMPLERS = MMDetChildRegistry("DATA_SAMPLERS", ["mmpersonsearch.datasets.samplers"], "data sampler")
TRANSFORMS = MMDetChildRegistry("TRANSFORMS", ["mmpersonsearch.datasets.transforms"])
MODELS = MMDetChildRegistry("MODELS", [f"mmpersonsearch.models.{part}" for part in _MODELS])
HOOKS = MMDetChildRegistry("HOOKS", ["mmpersonsearch.engine.hooks"])
OPTIM_WRAPPERS = MMDetChildRegistry("OPTIM_WRAPPERS", ["mmpersonsearch.engine.optim_wrappers"], "optimizer wrapper")
METRICS = MMDetChildRegistry("METRICS", ["mmpersonsearch.evaluation.metrics"])
VISUALIZERS = MMDetChildRegistry("VISUALIZERS", ["mmpersonsearch.visualization"])
RANKINGS = Registry(
    "ranking", parent=mmengine_registry.TASK_UTILS, scope=_SCOPE, locations=["mmpersonsearch.evaluation.rankings"]
)

# Nothing of ours is of these kinds; without a registry of the scope MMEngine warns at each look-up, and without a
# location it asks the scope for a function that old packages have.
_INHERITED = [
    MMDetChildRegistry(kind, ["mmpersonsearch.registry"])
    for kind in (
        "LOG_PROCESSORS",
        "LOOPS",
        "MODEL_WRAPPERS",
        "OPTIMIZERS",
        "OPTIM_WRAPPER_CONSTRUCTORS",
        "PARAM_SCHEDULERS",
        "RUNNERS",
        "VISBACKENDS",
        "WEIGHT_INITIALIZERS",
    )
]
