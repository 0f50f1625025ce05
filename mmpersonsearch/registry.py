"""Registries of the scope ``mmpersonsearch``.

Each is a child of MMDetection's registry of the same kind, so that configs find MMDetection's parts as
``mmdet.X`` and MMDetection's own nested defaults (``BboxOverlaps2D`` in an assigner) are found without a prefix.
MMDetection is imported when a part is first looked for; rankings and metrics of ours are found without it.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry


class MMDetChildRegistry(Registry):
    """Registry whose parent is MMDetection's of the same kind, or MMEngine's where MMDetection is not installed.

    MMEngine finds it by its scope from the start: it hangs in the tree below MMEngine's registry. MMDetection is
    imported when its members are first looked for.

    Args:
        kind: Name of MMEngine's and MMDetection's registry, such as ``'MODELS'``.
        locations: Modules of this package whose import registers the members.
        name: Name for messages; None for MMEngine's.
        needs_mmdet: Whether the members do; others are found without an import of MMDetection.
    """

    def __init__(self, kind: str, locations: list[str], name: str | None = None, needs_mmdet: bool = True) -> None:
        self._kind = kind
        self._needs_mmdet = needs_mmdet
        root = self._get_root_registry()
        # With a build function MMEngine does not ask the parent for its own, which is the same.
        super().__init__(
            name or root.name, build_func=root.build_func, parent=root, scope="mmpersonsearch", locations=locations
        )

    @property
    def parent(self) -> Registry:
        """MMDetection's or MMEngine's registry."""
        return getattr(import_mmdet(), self._kind)

    @parent.setter
    def parent(self, root: Registry) -> None:
        """MMEngine's constructor names the registry below which it has put this one."""

    def _get_root_registry(self) -> Registry:
        return getattr(mmengine_registry, self._kind)

    def import_from_location(self) -> None:
        """See MMEngine; errors of MMDetection's import name the installed packages."""
        if self._needs_mmdet:
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
METRICS = MMDetChildRegistry("METRICS", ["mmpersonsearch.evaluation.metrics"], needs_mmdet=False)
VISUALIZERS = MMDetChildRegistry("VISUALIZERS", ["mmpersonsearch.visualization"])
RANKINGS = MMDetChildRegistry("TASK_UTILS", ["mmpersonsearch.evaluation.rankings"], "ranking", needs_mmdet=False)

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
