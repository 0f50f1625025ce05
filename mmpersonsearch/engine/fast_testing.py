"""Models made faster for testing: norms folded, compilation by option."""

from __future__ import annotations

import copy
import os
import shutil
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner, autocast
from torch import nn

from mmpersonsearch.models.detectors import PersonSearchModel
from mmpersonsearch.models.folding import fold_norms
from mmpersonsearch.utils.errors import InputError

# Parts of models that are compiled: those that compute maps from maps, by their names in the parts that have them.
_COMPILED = ("backbone", "shared_head", "bridge", "part2")


def make_fast(model: nn.Module, compile: bool = False, device: str | torch.device = "cpu") -> nn.Module:
    """Return a model for testing that computes the same faster, see :func:`fold_norms`; the given one stays as it is.

    Args:
        model: Any model.
        compile: Whether to compile the networks by ``torch.compile``, when they first run on maps of a size.
        device: Where it runs.

    Raises:
        InputError: To compile for a CPU needs a C++ compiler, and there is none.
    """
    if compile:
        check_compiler(device)
    model = fold_norms(model)
    for part in list(model.modules()) if compile else ():
        for name, child in part.named_children():
            if name in _COMPILED:
                child.compile()
    return model


def check_compiler(device: str | torch.device) -> None:
    """Raise InputError if compiled models cannot run on a device: on a CPU, PyTorch calls a C++ compiler."""
    name = os.environ.get("CXX", "g++")
    if torch.device(device).type == "cpu" and shutil.which(name) is None:
        raise InputError(
            f"compile: torch.compile on a CPU needs a C++ compiler, and there is no {name}: install one (Debian: "
            "apt-get install g++) or name another by the environment's CXX, or leave out the option"
        )


class FastTestingHook(Hook):
    """Test a faster copy of the runner's model (:func:`make_fast`), while checkpoints and training keep their own.

    With ``compile`` or mixed precision (the loop's ``fp16``) it logs, of the first batch, how far embeddings are from
    the model's own.

    Args:
        compile: See :func:`make_fast`.
    """

    priority = "VERY_LOW"  # after hooks that exchange the weights

    def __init__(self, compile: bool = False) -> None:
        self.compile = compile
        self.model: nn.Module | None = None

    def before_test_epoch(self, runner: Runner) -> None:
        """Exchange the model."""
        self.model = _get_model(runner)
        _set_model(runner, make_fast(self.model, self.compile, get_device()))

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Log the difference, of the first batch."""
        with_fp16 = getattr(runner.test_loop, "fp16", False)
        if batch_idx == 0 and (self.compile or with_fp16) and isinstance(self.model, PersonSearchModel):
            runner.logger.info(describe_difference(self.model, _get_model(runner), data_batch, with_fp16))

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Give the runner its model back."""
        _set_model(runner, self.model)


@torch.no_grad()
def compare_embeddings(
    reference: nn.Module, fast: nn.Module, data_batch: dict[str, Any], amp: bool = False
) -> tuple[int, float]:
    """Embed the persons that a model detects by it and by another one.

    Args:
        reference: The model.
        fast: The other.
        data_batch: As a data loader gives it.
        amp: Whether the other runs in mixed precision.

    Returns:
        The number of persons and the least cosine of a person's two embeddings, 1 without persons.
    """
    reference.eval()
    data = reference.data_preprocessor(copy.deepcopy(data_batch))
    inputs, samples = data["inputs"], data["data_samples"]
    boxes = [found.bboxes for found in reference.detect(inputs, samples, reference.extract_feat(inputs))]
    ours = torch.cat(reference.embed(inputs, boxes))
    with autocast(enabled=amp):
        theirs = torch.cat(fast.embed(inputs, boxes))
    cosines = (ours * theirs.to(ours)).sum(1).tolist()
    return len(cosines), min(cosines, default=1.0)


def describe_difference(reference: nn.Module, fast: nn.Module, data_batch: dict[str, Any], amp: bool = False) -> str:
    """Tell the result of :func:`compare_embeddings` in a sentence."""
    number, cosine = compare_embeddings(reference, fast, data_batch, amp)
    return (
        f"Faster testing: embeddings of the first batch's {number} persons have a cosine of at least {cosine:.6f} with "
        "those of the model in float32"
    )


def _get_model(runner: Runner) -> nn.Module:
    return runner.model.module if is_model_wrapper(runner.model) else runner.model


def _set_model(runner: Runner, model: nn.Module) -> None:
    if is_model_wrapper(runner.model):
        runner.model.module = model
    else:
        runner.model = model
