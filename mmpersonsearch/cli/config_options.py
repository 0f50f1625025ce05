"""``--cfg-options`` against the config that they change: keys, types and ranges."""

from __future__ import annotations

import difflib
import inspect
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import mmcv.ops
from mmengine import registry as mmengine_registry
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.optim import OptimWrapper
from mmengine.registry import Registry
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, LogProcessor, Runner, TestLoop, ValLoop
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader

from mmpersonsearch import registry as own_registry
from mmpersonsearch.utils.errors import InputError

# Keys that MMEngine reads beside the runner's arguments.
TOP_LEVEL = [
    "_scope_",
    "activation_checkpointing",
    "compile",
    "custom_imports",
    "efficient_conv_bn_eval",
    "find_unused_parameters",
    "model_wrapper_cfg",
    "sync_bn",
]
LOADER = ("dataset", "sampler", "batch_sampler", "collate_fn", "worker_init_fn", "num_batch_per_epoch")
# Keys of dictionaries without a type, by the end of their path.
UNTYPED: dict[str, tuple[Any, ...]] = {
    "dataloader": (DataLoader, *LOADER, "disable_subprocess_warning"),
    "train_cfg": (EpochBasedTrainLoop, IterBasedTrainLoop, "by_epoch"),
    "val_cfg": (ValLoop,),
    "test_cfg": (TestLoop,),
    "optim_wrapper": (OptimWrapper, "optimizer", "constructor", "paramwise_cfg"),
    "paramwise_cfg": (
        *("custom_keys", "bias_lr_mult", "bias_decay_mult", "norm_decay_mult", "flat_decay_mult", "dwconv_decay_mult"),
        *("dcn_offset_lr_mult", "bypass_duplicate"),
    ),
    "clip_grad": (clip_grad_norm_,),
    "log_processor": (LogProcessor,),
    "randomness": ("seed", "deterministic", "diff_rank_seed"),
    "auto_scale_lr": ("enable", "base_batch_size"),
    "env_cfg": ("cudnn_benchmark", "mp_cfg", "dist_cfg", "resource_limit"),
    "mp_cfg": ("mp_start_method", "opencv_num_threads"),
    "dist_cfg": ("backend", "timeout", "port"),
    "default_hooks": ("runtime_info", "timer", "sampler_seed", "logger", "param_scheduler", "checkpoint"),
    "sampler": (DefaultSampler,),
}
# Ranges of values by their key: a test, and what it expects.
POSITIVE = (lambda value: isinstance(value, int) and value >= 1, "an integer of 1 or more")
RANGES = {
    r"batch_size|max_epochs|max_iters|val_interval|base_batch_size|num_instances|accumulative_counts": POSITIVE,
    r"interval": (lambda value: value == -1 or POSITIVE[0](value), "an integer of 1 or more, or -1 for never"),
    r"num_ids": (lambda value: value is None or POSITIVE[0](value), "an integer of 1 or more"),
    r"num_workers|seed": (
        lambda value: value is None or (isinstance(value, int) and 0 <= value < 2**32),
        "an integer from 0 to 4294967295",
    ),
    r"topk|gallery_sizes": (
        lambda value: all(POSITIVE[0](one) for one in (value if isinstance(value, list | tuple) else [value])),
        "integers of 1 or more",
    ),
    r"lr": (lambda value: isinstance(value, int | float) and 0 < value < math.inf, "a number above 0"),
    r"ignore_iof_thr": (lambda value: value == -1 or _is_fraction(value), "a number from 0 to 1, or -1 for none"),
    r"(?!ignore_iof)(.*_)?thr(eshold)?|pos_fraction": (  # an assigner's neg_iou_thr may be two
        lambda value: all(map(_is_fraction, value if isinstance(value, list | tuple) else [value])),
        "a number from 0 to 1",
    ),
}


def _is_fraction(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


def check_options(config: Config, options: dict[str, Any], allow_new_keys: bool = False) -> None:
    """Check options against a config into which they are not merged yet.

    A key is known if the config has it, MMEngine reads it, or it is an argument of the class that its dictionary's
    ``type`` names, base classes included.

    Raises:
        InputError: A key is unknown or a variable of the config file, from which its other keys were made already; a
            value has another type than the config's or is out of its range, or no class has the name of a ``type``; the
            message names the key and what is nearest.
    """
    for key, value in options.items():
        if not allow_new_keys:
            _check_variable(config, key)
            _check_key(config, key, options)
        _check_value(key, _find(config, key), value)


def find_class(name: Any) -> Any:
    """Find a registered class by the name in a config; None if there is none."""
    if not isinstance(name, str):
        return name
    return next((found for one in _registries() if (found := one.get(name)) is not None), None)


def _registries() -> list[Registry]:
    own = [value for value in vars(own_registry).values() if isinstance(value, Registry)]
    own += own_registry._INHERITED
    return own + [value for value in vars(mmengine_registry).values() if isinstance(value, Registry)]


def _check_variable(config: Config, key: str) -> None:
    top, _, rest = key.partition(".")
    known = _arguments([Runner.__init__, *TOP_LEVEL])
    if top not in config or top in known:
        return
    places = [place for name in config if name in known for place in _places(config[name], name, config[top])]
    places = [f"{place}.{rest}" if rest else place for place in places]
    hint = f": set {', '.join(places[:6])}" if places and config[top] is not None else ""
    raise InputError(
        f"--cfg-options {key}: {top} is a variable of the config file, keys that were made from it stay{hint} "
        "(--allow-new-keys accepts it)"
    )


def _places(config: Any, path: str, value: Any) -> Iterator[str]:
    """Dotted keys that have a value."""
    if type(config) is type(value) and config == value:
        yield path
    elif isinstance(config, dict):
        for key, part in config.items():
            yield from _places(part, f"{path}.{key}", value)


def _check_key(config: Config, key: str, options: dict[str, Any]) -> None:
    here, path = config, []
    for part in key.split("."):
        if isinstance(here, list | tuple):
            if not part.isdecimal() or int(part) >= len(here):
                raise InputError(
                    f"--cfg-options {key}: {'.'.join(path)} is a list of {len(here)}, expected a number below that, "
                    f"got {part!r}"
                )
            here = here[int(part)]
        elif not isinstance(here, dict | Config):
            kind = type(here).__name__
            raise InputError(f"--cfg-options {key}: {'.'.join(path)} is {here!r} ({kind}), it has no {part!r}")
        elif part in here:
            here = here[part]
        else:
            kind = options.get(".".join([*path, "type"]), here.get("type"))
            is_new_hook = path == ["default_hooks"] and f"default_hooks.{part}.type" in options
            if not is_new_hook:
                _check_new(key, path, part, list(here), _known_keys(path, kind), options[key])
            return
        path.append(part)


def _check_new(key: str, path: list[str], part: str, present: list[str], known: set[str] | None, value: Any) -> None:
    is_new_hook = path == ["default_hooks"] and isinstance(value, dict) and "type" in value
    if (
        known is None
        or part in known
        or part in ("_delete_", "_scope_", "type", "priority")
        or path[-1:] == ["custom_keys"]
        or is_new_hook
    ):
        return
    nearest = difflib.get_close_matches(part, {*present, *known}, n=1, cutoff=0.5)
    hint = f"did you mean {'.'.join([*path, nearest[0]])!r}?" if nearest else f"it has {', '.join(present)}"
    where = ".".join(path) or "the config"
    raise InputError(
        f"--cfg-options {key}: {where} has no key {part!r} that anything reads; {hint} (--allow-new-keys accepts it)"
    )


def _known_keys(path: list[str], kind: Any) -> set[str] | None:
    """Keys that a dictionary may have beside its own; None if they cannot be known."""
    if not path:
        return _arguments([Runner.__init__, *TOP_LEVEL]) - {"cfg"}
    found = find_class(kind)
    if found is not None:
        return _arguments([found])
    ends = path[-1].rpartition("_")[2] if path[-1].endswith("dataloader") else path[-1]
    return _arguments(UNTYPED.get(ends, ()))


def _arguments(sources: Iterable[Any]) -> set[str] | None:
    """Names of the arguments of classes and functions, and names as they are; None if a signature is unknown."""
    names: set[str] = set()
    for source in sources:
        if isinstance(source, str):
            names.add(source)
            continue
        # A class hands what it does not name itself on to the next one.
        owners = (
            [one.__init__ for one in source.__mro__ if "__init__" in vars(one)] if inspect.isclass(source) else [source]
        )
        for function in owners:
            try:
                parameters = inspect.signature(function).parameters.values()
            except ValueError:
                return None
            names |= {one.name for one in parameters if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)}
            if all(one.kind is not one.VAR_KEYWORD for one in parameters):
                break
    return names - {"self"}


def _find(config: Config, key: str) -> Any:
    """The value at a dotted key; None if there is none."""
    here: Any = config
    for part in key.split("."):
        if isinstance(here, list | tuple) and part.isdecimal() and int(part) < len(here):
            here = here[int(part)]
        elif isinstance(here, dict | Config) and part in here:
            here = here[part]
        else:
            return None
    return here


def _check_value(key: str, before: Any, value: Any) -> None:
    name = key.split(".")[-1]
    if isinstance(value, dict):
        for part, one in value.items():
            _check_value(f"{key}.{part}", before.get(part) if isinstance(before, dict) else None, one)
    if name == "type" and isinstance(value, str) and find_class(value) is None and not hasattr(mmcv.ops, value):
        names = {one for registry in _registries() for one in registry.module_dict}
        nearest = difflib.get_close_matches(value.rpartition(".")[2], names, n=1)
        raise InputError(f"--cfg-options {key}: no class {value!r} is registered" + _mean(nearest))
    for kinds in ((str,), (bool,), (int, float), (dict,)):
        if name != "type" and isinstance(before, kinds) and (isinstance(before, bool) == (kinds == (bool,))):
            fits = isinstance(value, kinds) and (isinstance(value, bool) == (kinds == (bool,)))
            if not fits and value is not None and not (kinds == (int, float) and isinstance(value, list | tuple)):
                raise InputError(
                    f"--cfg-options {key}: expected {_KINDS[kinds]} such as the config's {before!r:.60}, got {value!r}"
                )
    if isinstance(value, float) and math.isnan(value):
        raise InputError(f"--cfg-options {key}: expected a number, got {value}")
    for pattern, (fits, expected) in RANGES.items():
        if re.fullmatch(pattern, name) and not isinstance(value, dict) and not fits(value):
            raise InputError(f"--cfg-options {key}: expected {expected}, got {value!r}")


_KINDS = {(str,): "text", (bool,): "True or False", (int, float): "a number", (dict,): "keys of a dictionary"}


def _mean(nearest: list[str]) -> str:
    return f"; did you mean {nearest[0]!r}?" if nearest else ""
