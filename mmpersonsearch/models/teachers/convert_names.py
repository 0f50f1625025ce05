"""Tables of the weights' names in published Re-ID projects and in this package's teachers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Rename(NamedTuple):
    """Row of a table of names.

    Attributes:
        source: Regular expression of a whole key in the source.
        target: The key in the teacher, with ``\\1`` and so on for the expression's groups; None skips it.
        why: Reason for skipping it.
    """

    source: str
    target: str | None
    why: str = ""


class Trait(NamedTuple):
    """Property of the source's network that its weights do not show.

    Attributes:
        key: Regular expression, searched in the source's keys.
        found: Whether the trait holds where a key matches, or where none does.
        options: Config options of the teacher, by keys under ``model``.
    """

    key: str
    found: bool
    options: dict[str, Any]


@dataclass(frozen=True)
class Project:
    """Project that publishes Re-ID checkpoints.

    Attributes:
        url: Of its code.
        renames: The first row that matches a key holds.
        traits: See :class:`Trait`.
        constants: Untrained weights that the project does not save, by the teacher's key.
        normalization: Keys of the images' mean and standard deviation, each with the name in our data preprocessor.
        refused: Networks that no teacher here equals: a regular expression of a whole key, and the reason.
    """

    url: str
    renames: tuple[Rename, ...]
    traits: tuple[Trait, ...] = ()
    constants: dict[str, float] = field(default_factory=dict)
    normalization: tuple[tuple[str, str], ...] = ()
    refused: tuple[tuple[str, str], ...] = ()

    def rename(self, key: str) -> Rename | None:
        """Find the row for a key, with ``target`` filled in; None where no row matches."""
        for row in self.renames:
            match = re.fullmatch(row.source, key)
            if match:
                return row._replace(target=row.target and match.expand(row.target))
        return None

    def options(self, keys: Iterable[str]) -> dict[str, Any]:
        """Collect the config options, by keys under ``model``, that a source with these keys needs."""
        keys, options = list(keys), {}
        for trait in self.traits:
            if any(re.search(trait.key, key) for key in keys) is trait.found:
                options.update(trait.options)
        return options


def _non_local(prefix: str) -> tuple[Rename, ...]:
    """Rows of AGW's attention, which fast-reid names alike."""
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
# LightMBN's parts in the published order of its reductions: global, part-global, two stripes, dropped.
_LIGHT_MBN_PARTS = {"0": 0, "1": 2, "2": 3, "3": 4, "4": 1, "ch_0": 5, "ch_1": 6}
# Their ResNets without IBN have no ReLU after the first norm.
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
                "fast-reid's MGN pools by a trained generalized mean and does not downsample in its global branch's "
                "conv5_1, the paper's and this package's MGN pools by the maximum and does: its weights would make "
                "another network",
            ),
        ),
    ),
    "light-mbn": Project(
        url="https://github.com/jixunbo/LightMBN",
        renames=(
            # Published files spell it backone.
            Rename(r"backb?one\.0\.(.+)", r"backbone.stem.conv1.\1"),
            Rename(r"backb?one\.2\.(.+)", r"backbone.stem.conv2.\1"),
            Rename(r"backb?one\.3\.(.+)", r"backbone.stem.conv3.0.\1"),
            *(
                Rename(rf"{name}_branch\.{i}\.(.+)", rf"backbone.branches.{branch}.conv{i + 3}.\1")
                for branch, name in enumerate(("global", "partial", "channel"))
                for i in range(3)
            ),
            Rename(r"batch_drop_block\.drop_batch_bottleneck\.(.+)", r"head.global_block.\1"),
            Rename(r"shared\.0\.(.+)", r"head.shared.conv.\1"),
            Rename(r"shared\.1\.(.+)", r"head.shared.bn.\1"),
            *(
                Rename(rf"reduction_{name}\.{theirs}\.(.+)", rf"head.{ours}.{part}.\1")
                for name, part in _LIGHT_MBN_PARTS.items()
                for theirs, ours in (("reduction", "reductions"), ("bn", "norms"), ("classifier", "classifiers"))
            ),
        ),
    ),
}
