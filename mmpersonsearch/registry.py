"""Registries of the scope ``mmpersonsearch``.

Each is a child of MMDetection's registry of the same kind, so that configs find MMDetection's parts as
``mmdet.X`` and MMDetection's own nested defaults (``BboxOverlaps2D`` in an assigner) are found without a prefix.
"""

from mmengine.registry import Registry

from mmpersonsearch.ops.mmcv_ops import prepare_mmcv_ops
from mmpersonsearch.utils.openmmlab import name_packages_in_errors

prepare_mmcv_ops()

try:
    with name_packages_in_errors():
        from mmdet import registry as parent
except ModuleNotFoundError as error:
    # Evaluation, rankings, memories and losses also serve where MMDetection or MMCV is not installed.
    if error.name not in ("mmdet", "mmcv"):
        raise
    from mmengine import registry as parent

_MODELS = "mmpersonsearch.models"

DATASETS = Registry("dataset", parent=parent.DATASETS, scope="mmpersonsearch", locations=["mmpersonsearch.datasets"])
DATA_SAMPLERS = Registry(
    "data sampler",
    parent=parent.DATA_SAMPLERS,
    scope="mmpersonsearch",
    locations=["mmpersonsearch.datasets.samplers"],
)
TRANSFORMS = Registry(
    "transform",
    parent=parent.TRANSFORMS,
    scope="mmpersonsearch",
    locations=["mmpersonsearch.datasets.transforms"],
)
MODELS = Registry(
    "model",
    parent=parent.MODELS,
    scope="mmpersonsearch",
    locations=[f"{_MODELS}.{part}" for part in ("backbones", "detectors", "roi_heads", "reid", "memories", "losses")],
)
HOOKS = Registry("hook", parent=parent.HOOKS, scope="mmpersonsearch", locations=["mmpersonsearch.engine.hooks"])
OPTIM_WRAPPERS = Registry(
    "optimizer wrapper",
    parent=parent.OPTIM_WRAPPERS,
    scope="mmpersonsearch",
    locations=["mmpersonsearch.engine.optim_wrappers"],
)
METRICS = Registry(
    "metric",
    parent=parent.METRICS,
    scope="mmpersonsearch",
    locations=["mmpersonsearch.evaluation.metrics"],
)
RANKINGS = Registry(
    "ranking",
    parent=parent.TASK_UTILS,
    scope="mmpersonsearch",
    locations=["mmpersonsearch.evaluation.rankings"],
)
VISUALIZERS = Registry(
    "visualizer",
    parent=parent.VISUALIZERS,
    scope="mmpersonsearch",
    locations=["mmpersonsearch.visualization"],
)

# Nothing of ours is of these kinds; without a registry of the scope MMEngine warns at each look-up, and without a
# location it asks the scope for a function that old packages have.
_INHERITED = [
    Registry(kind.name, parent=kind, scope="mmpersonsearch", locations=["mmpersonsearch.registry"])
    for kind in (
        parent.LOG_PROCESSORS,
        parent.LOOPS,
        parent.MODEL_WRAPPERS,
        parent.OPTIMIZERS,
        parent.OPTIM_WRAPPER_CONSTRUCTORS,
        parent.PARAM_SCHEDULERS,
        parent.RUNNERS,
        parent.VISBACKENDS,
        parent.WEIGHT_INITIALIZERS,
    )
]
