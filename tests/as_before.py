"""Undoes what a refactoring has done to configs, so that they can be compared with those of before."""


def as_before(cfg: dict) -> dict:
    """Return a resolved config with the keys that it had when ``resolved_configs.json`` was written.

    A refactoring that renames or regroups keys of configs is undone here, so that the record of before still holds:
    the change is then written down in one place, and nothing else has changed.

    Args:
        cfg: A resolved config as plain data; it may be changed.
    """
    _hooks_as_before(cfg)
    return cfg


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
