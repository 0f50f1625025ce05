"""Several person search data sets as one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mmengine.dataset import ConcatDataset

from mmpersonsearch.registry import DATASETS
from mmpersonsearch.utils.errors import InputError

from .person_search_dataset import PersonSearchDataset


@DATASETS.register_module()
class JointPersonSearchDataset(ConcatDataset):
    """Several data sets, one after the other in the order of their names; images, identities, queries stay apart.

    In a config::

        dataset=dict(type="JointPersonSearchDataset", datasets=dict(
            prw=dict(type="PRWDataset", data_root="data/PRW", split="train", pipeline=train_pipeline),
            cuhk=dict(type="CUHKSYSUDataset", data_root="data/CUHK-SYSU", split="train", pipeline=train_pipeline)))

    An entry is that of its set, and has the set's name under ``data_set``. In training, each set's identities are
    numbered after those of the sets before it: ``metainfo['num_ids']`` is the sum, and ``metainfo['identities']`` gives
    each number's set and the identity's number there, such as ``'prw 932'``. A test split keeps all numbers: its
    ``metainfo['data_sets']`` is the ``metainfo`` of each set by name, and the metrics evaluate each set by its own
    protocol, with the name in front of their keys (``prw/person_search/mAP``).

    Args:
        datasets: Configs of :class:`PersonSearchDataset` by name, all of one split and one class.

    Attributes:
        by_name: The data sets by name.

    Raises:
        InputError: A config is of something else, a name is no plain word, splits or classes differ, or there are
            other arguments.
    """

    def __init__(self, datasets: Mapping[str, dict], **kwargs) -> None:
        for key in kwargs:
            raise InputError(
                f"JointPersonSearchDataset has no argument {key!r}: each data set has its own, datasets.<name>.{key}"
            )
        if not isinstance(datasets, Mapping) or not datasets:
            raise InputError(f"JointPersonSearchDataset: datasets must be configs by name, got {datasets!r}")
        self.by_name: dict[str, PersonSearchDataset] = {}
        self._joinings: list[_Joining] = []
        num_ids = 0
        for name, config in sorted(datasets.items()):  # MMEngine sorts them, too, when it writes a config
            joining = _Joining(name, num_ids)
            self._joinings.append(joining)
            self.by_name[name] = _build(joining, config)
            num_ids += self.by_name[name].metainfo.get("num_ids", 0)
        sets = list(self.by_name.values())
        for what, found in (("split", [one.split for one in sets]), ("class", [one.class_name for one in sets])):
            if len(set(found)) > 1:
                raise InputError(
                    f"JointPersonSearchDataset: all data sets must have the same {what}, "
                    f"got {dict(zip(self.by_name, found))}"
                )
        # MMEngine wants equal meta information; here it is joined instead.
        super().__init__(sets, ignore_keys=sorted(set().union(*(one.metainfo for one in sets))))

    @property
    def metainfo(self) -> dict:
        """A copy of the joint meta information; search protocols are not copied."""
        by_name = {name: one.metainfo for name, one in self.by_name.items()}
        first = next(iter(by_name.values()))
        joint = {key: first[key] for key in ("classes", "palette")}
        if self.datasets[0].split == "test":
            return {**joint, "data_sets": by_name}
        identities = [f"{name} {number}" for name, one in by_name.items() for number in one["identities"]]
        return {**joint, "num_ids": len(identities), "identities": identities}

    def get_data_info(self, idx: int) -> dict:
        """Return an entry; see the class."""
        k, own_idx = self._get_ori_dataset_idx(idx)
        return self._joinings[k](self.datasets[k].get_data_info(own_idx))


@dataclass(frozen=True)
class _Joining:
    """First step of a set's pipeline: the set's name, and identities that start at ``first_id`` in training."""

    data_set: str
    first_id: int

    def __call__(self, entry: dict) -> dict:
        numbered = [
            {**person, "person_id": person["person_id"] + self.first_id if person["person_id"] >= 0 else -1}
            for person in entry["instances"]
        ]
        return {**entry, "instances": numbered, "data_set": self.data_set}


def _build(joining: _Joining, config: dict) -> PersonSearchDataset:
    name, kind = joining.data_set, config.get("type") if isinstance(config, Mapping) else config
    found = DATASETS.get(kind) if isinstance(kind, str) else kind
    if not re.fullmatch(r"[\w-]+", name):
        raise InputError(f"JointPersonSearchDataset: datasets: name {name!r}, expected letters, digits, - and _")
    if not (isinstance(found, type) and issubclass(found, PersonSearchDataset)):
        raise InputError(
            f"JointPersonSearchDataset: datasets.{name} is {kind!r}, expected the config of a person search data set, "
            "such as PRWDataset"
        )
    dataset = DATASETS.build({**config, "pipeline": [joining, *config.get("pipeline", ())]})
    dataset.full_init()  # whose identities the next set's follow
    return dataset
