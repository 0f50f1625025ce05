"""Undoes what a refactoring has done to configs, so that they can be compared with those of before."""


def as_before(cfg: dict) -> dict:
    """Return a resolved config with the keys that it had when ``resolved_configs.json`` was written.

    A refactoring that renames or regroups keys of configs is undone here, so that the record of before still holds:
    the change is then written down in one place, and nothing else has changed.

    Args:
        cfg: A resolved config as plain data; it may be changed.
    """
    return cfg
