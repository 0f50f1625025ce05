"""Undoes what a refactoring has done to configs, so that they can be compared with those of before."""

# What a run depends on: the keys that MMEngine's Runner and this package read. All others are variables that a config
# computes them from, and bases may call these as they like.
KEPT = (
    *("default_scope", "model", "load_from", "resume", "find_unused_parameters", "custom_imports"),
    *("data_root", "num_ids", "queue_size", "train_dataloader", "val_dataloader", "test_dataloader"),
    *("train_cfg", "val_cfg", "test_cfg", "val_evaluator", "test_evaluator"),
    *("optim_wrapper", "param_scheduler", "auto_scale_lr"),
    *("default_hooks", "custom_hooks", "env_cfg", "visualizer", "log_processor", "log_level", "randomness"),
)


def as_before(cfg: dict) -> dict:
    """Return a resolved config with the keys that it had when ``resolved_configs.json`` was written.

    A refactoring that renames or regroups keys of configs is undone here, so that the record of before still holds:
    the change is then written down in one place, and nothing else has changed. The keys that no run depends on are left
    out, then and now (``KEPT``).

    Args:
        cfg: A resolved config as plain data; it may be changed.
    """
    _hooks_as_before(cfg)
    _model_as_before(cfg["model"])
    return {key: value for key, value in cfg.items() if key in KEPT}


def _hooks_as_before(cfg: dict) -> None:
    """Teachers were loaded by a hook that named the checkpoint; the count of identities was a custom hook."""
    for name in ("identity_count", "frozen_parts"):
        del cfg["default_hooks"][name]
    cfg["default_hooks"]["lut_checkpoint"] = dict(type="LUTCheckpointHook")
    cfg.pop("teacher_checkpoint", None)
    model, hooks = cfg["model"], []
    if model["type"] not in ("PersonDetector", "TwoStepPersonSearch"):
        hooks.append(dict(type="IdentityCountCheckHook"))
    for owner in (model, model.get("roi_head", {}).get("reid_head", {})):
        if "teacher" in owner:
            hooks.append(dict(type="FrozenTeacherHook", checkpoint=owner["teacher"]["checkpoint"]))
            owner["teacher"] = owner["teacher"]["model"]
    hooks += cfg.get("custom_hooks", [])
    if hooks:
        cfg["custom_hooks"] = hooks


def _model_as_before(model: dict) -> None:
    """The soft losses were a class of this package; so was a ResNet that is the shared head of MMDetection's."""
    if "loss_soft" in model:
        weight = model["loss_soft"]["loss_weight"] * 100 / 2
        model["loss_soft"] = dict(type="SoftCrossEntropyLoss", temperature=10.0)
        if weight != 1:
            model["loss_soft"]["loss_weight"] = weight
    for part in (model, model.get("teacher", {})):
        roi_head = part.get("roi_head", {})
        if roi_head.get("type") in ("mmdet.StandardRoIHead", "DisentangledRoIHead"):
            shared_head = roi_head.get("shared_head")
            if shared_head and shared_head["type"] == "ResNetIBN":
                shared_head["type"] = "SharedResNetIBN"
