"""How published Re-ID projects name their weights, and what the same weights are called in this package's teachers.

Also what a network does that its weights do not show: without it a teacher would load and embed otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Rename(NamedTuple):
    """One row of a table of names.

    Attributes:
        source: Regular expression of a whole key in the source.
        target: The key in the teacher, with ``\\1`` and so on for the expression's groups; None: not taken over.
        why: Why it is not taken over.
    """

    source: str
    target: str | None
    why: str = ""


class Trait(NamedTuple):
    """What the source's network does and its weights do not show.

    Attributes:
        key: Regular expression, searched in the source's keys.
        found: The trait holds if the expression is found (True) or is not found (False) in any key.
        options: Config options of the teacher, by keys under ``model``.
    """

    key: str
    found: bool
    options: dict[str, Any]


@dataclass(frozen=True)
class Project:
    """A project that publishes Re-ID checkpoints.

    Attributes:
        url: Where its code is.
        renames: The first row that fits a key holds; a key that none fits has no place in any teacher.
        traits: See :class:`Trait`.
        constants: What the project does not save where it is not trained, by the teacher's key.
        normalization: Keys that hold the mean and the standard deviation that images are normalized by, where the
            project saves them.
        refused: Networks that no teacher here equals: a regular expression of a whole key, and why.
    """

    url: str
    renames: tuple[Rename, ...]
    traits: tuple[Trait, ...] = ()
    constants: dict[str, float] = field(default_factory=dict)
    normalization: tuple[tuple[str, str], ...] = ()
    refused: tuple[tuple[str, str], ...] = ()

    def rename(self, key: str) -> Rename | None:
        """The row for a key with ``target`` filled in; None: no row fits."""
        for row in self.renames:
            match = re.fullmatch(row.source, key)
            if match:
                return row._replace(target=row.target and match.expand(row.target))
        return None

    def options(self, keys: Iterable[str]) -> dict[str, Any]:
        """The config options, by keys under ``model``, that a source with these keys needs."""
        keys, options = list(keys), {}
        for trait in self.traits:
            if any(re.search(trait.key, key) for key in keys) is trait.found:
                options.update(trait.options)
        return options

    def constants_of(self, teacher: nn.Module) -> dict[str, Tensor]:
        """The constants among a teacher's weights."""
        return {
            key: torch.full_like(own, self.constants[key])
            for key, own in teacher.state_dict().items()
            if key in self.constants
        }

    def refusal(self, keys: Iterable[str]) -> str | None:
        """Why a source with these keys is refused; None: it is not."""
        keys = list(keys)
        return next((why for source, why in self.refused if any(re.fullmatch(source, key) for key in keys)), None)


def _non_local(prefix: str) -> tuple[Rename, ...]:
    """AGW's attention, which fast-reid names alike."""
    return (
        Rename(rf"{prefix}NL_(\d)\.(\d+)\.(g|theta|phi)\.(.+)", r"backbone.non_local\1.\2.\3.conv.\4"),
        Rename(rf"{prefix}NL_(\d)\.(\d+)\.W\.0\.(.+)", r"backbone.non_local\1.\2.conv_out.conv.\3"),
        Rename(rf"{prefix}NL_(\d)\.(\d+)\.W\.1\.(.+)", r"backbone.non_local\1.\2.conv_out.bn.\3"),
    )


_IMAGENET_CLASSIFIER = Rename(
    r"base\.fc\.(?:weight|bias)", None, "ImageNet's classifier, which the network does not use"
)
_BNNECK = (
    Rename(r"bottleneck\.(.+)", r"head.bn.\1"),
    Rename(r"classifier\.weight", r"head.classifier.weight"),
)
# Their plain ResNets, other than those with IBN, have no ReLU behind the first norm.
_PLAIN_RESNET = Trait(r"\.IN\.", False, {"backbone.ibn_stages": (), "backbone.stem_relu": False})

PROJECTS = {
    "reid-strong-baseline": Project(
        url="https://github.com/michuanhaohao/reid-strong-baseline",
        renames=(_IMAGENET_CLASSIFIER, Rename(r"base\.(.+)", r"backbone.\1"), *_BNNECK),
        traits=(_PLAIN_RESNET,),
    ),
    "agw": Project(
        url="https://github.com/mangye16/ReID-Survey",
        renames=(
            _IMAGENET_CLASSIFIER,
            *_non_local(r"base\."),
            Rename(r"base\.(.+)", r"backbone.\1"),
            Rename(r"global_pool\.p", r"neck.p"),
            *_BNNECK,
        ),
        traits=(_PLAIN_RESNET,),
    ),
    "fast-reid": Project(
        url="https://github.com/JDAI-CV/fast-reid",
        renames=(
            Rename(r"pixel_(?:mean|std)", None, "the images' normalization: compared with the config's"),
            *_non_local(r"backbone\."),
            Rename(r"backbone\.(.+)", r"backbone.\1"),
            Rename(r"heads\.pool_layer\.p", r"neck.p"),
            # The BNNeck was called bnneck before; published files mix both names.
            Rename(r"heads\.(?:bottleneck\.0|bnneck)\.(.+)", r"head.bn.\1"),
            # Later versions hold the classifier's weight in the head itself.
            Rename(r"heads\.(?:classifier\.)?weight", r"head.classifier.weight"),
        ),
        traits=(
            Trait(r"", True, {"backbone.stem_padding": 0}),
            Trait(r"\.IN\.", False, {"backbone.ibn_stages": ()}),
        ),
        constants={"neck.p": 3.0},
        normalization=(("pixel_mean", "mean"), ("pixel_std", "std")),
        refused=(
            (
                r"b[123]\..+",
                "fast-reid's MGN pools by a trained generalised mean and does not downsample in its global branch's "
                "conv5_1, the paper's and this package's MGN pools by the maximum and does: its weights would make "
                "another network",
            ),
        ),
    ),
}
