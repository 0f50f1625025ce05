"""Registries of the scope ``mmpersonsearch``.

Each is a child of MMDetection's registry of the same kind, so that configs find MMDetection's parts as ``mmdet.X``, and
its own nested defaults (``BboxOverlaps2D`` in an assigner) without a prefix.
"""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout
from functools import cache
from types import ModuleType

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry


class MMDetChildRegistry(Registry):
    """Registry whose parent is MMDetection's of the same kind, or MMEngine's where MMDetection is not installed.

    It hangs below MMEngine's registry from the start; MMDetection is imported at the first look-up.

    Args:
        kind: Name of MMEngine's and MMDetection's registry, such as ``'MODELS'``.
        locations: Modules of this package whose import registers the members.
        name: Name for messages; None for MMEngine's.
        needs_mmdet: Whether the members need MMDetection; else they are found without it.
    """

    def __init__(self, kind: str, locations: list[str], name: str | None = None, needs_mmdet: bool = True) -> None:
        self._kind = kind
        self._needs_mmdet = needs_mmdet
        root = self._get_root_registry()
        # Without a build function MMEngine would ask the parent for its own, which is the same.
        super().__init__(
            name or root.name, build_func=root.build_func, parent=root, scope="mmpersonsearch", locations=locations
        )

    @property
    def parent(self) -> Registry:  # pyright: ignore[reportIncompatibleVariableOverride]
        """MMDetection's or MMEngine's registry."""
        return getattr(import_mmdet(), self._kind)

    @parent.setter
    def parent(self, root: Registry) -> None:
        """Ignore the registry that MMEngine's constructor sets."""

    def _get_root_registry(self) -> Registry:
        return getattr(mmengine_registry, self._kind)

    def import_from_location(self) -> None:
        """Import the members' modules, after MMDetection where they need it."""
        if self._needs_mmdet:
            import_mmdet()
        with _without_notices():
            super().import_from_location()

    def get(self, key: str) -> type | None:
        """Find a member; MMEngine imports the package that its prefix names."""
        with _without_notices():
            return super().get(key)


def _without_notices() -> redirect_stdout:
    """Hide what MMDetection and MMPretrain print when imported: which optional packages are missing."""
    return redirect_stdout(io.StringIO())


@cache
def import_mmdet() -> ModuleType:
    """Prepare MMCV's operators and import MMDetection's registries; MMEngine's if MMDetection or MMCV is missing.

    Raises:
        ImportError: The installed packages do not fit each other.
    """
    from mmpersonsearch.ops.mmcv_ops import prepare_mmcv_ops
    from mmpersonsearch.utils.openmmlab import name_packages_in_errors

    prepare_mmcv_ops()
    warnings.filterwarnings("ignore", message="faster_coco_eval is not installed")
    try:
        with name_packages_in_errors(), _without_notices():
            import mmdet.datasets  # noqa: F401  # here, where its notices are hidden
            from mmdet import registry
    except ModuleNotFoundError as error:
        # Metrics, memories and losses also serve without MMDetection.
        if error.name not in ("mmdet", "mmcv"):
            raise
        return mmengine_registry
    return registry


_MODELS = ("backbones", "dense_heads", "detectors", "roi_heads", "reid", "memories", "losses", "exported_networks")

DATASETS = MMDetChildRegistry("DATASETS", ["mmpersonsearch.datasets"])
DATA_SAMPLERS = MMDetChildRegistry("DATA_SAMPLERS", ["mmpersonsearch.datasets.samplers"], "data sampler")
TRANSFORMS = MMDetChildRegistry("TRANSFORMS", ["mmpersonsearch.datasets.transforms"])
MODELS = MMDetChildRegistry("MODELS", [f"mmpersonsearch.models.{part}" for part in _MODELS])
HOOKS = MMDetChildRegistry("HOOKS", ["mmpersonsearch.engine.hooks", "mmpersonsearch.engine.checkpoint_hook"])
LOOPS = MMDetChildRegistry("LOOPS", ["mmpersonsearch.engine.pair_search_loop"])
OPTIM_WRAPPERS = MMDetChildRegistry("OPTIM_WRAPPERS", ["mmpersonsearch.engine.optim_wrappers"], "optimizer wrapper")
METRICS = MMDetChildRegistry("METRICS", ["mmpersonsearch.evaluation.metrics"], needs_mmdet=False)
VISUALIZERS = MMDetChildRegistry("VISUALIZERS", ["mmpersonsearch.visualization"])
RANKINGS = MMDetChildRegistry("TASK_UTILS", ["mmpersonsearch.evaluation.rankings"], "ranking", needs_mmdet=False)

# The package has no members of these kinds; MMEngine warns at each look-up without a registry of the scope.
_INHERITED = [
    MMDetChildRegistry(kind, ["mmpersonsearch.registry"])
    for kind in (
        "LOG_PROCESSORS",
        "MODEL_WRAPPERS",
        "OPTIMIZERS",
        "OPTIM_WRAPPER_CONSTRUCTORS",
        "PARAM_SCHEDULERS",
        "RUNNERS",
        "VISBACKENDS",
        "WEIGHT_INITIALIZERS",
    )
]
