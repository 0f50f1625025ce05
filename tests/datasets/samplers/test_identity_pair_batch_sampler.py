import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler, sampler
from mmengine.model import BaseModel
from mmengine.runner import Runner, loops

from mmpersonsearch.datasets import PRWDataset
from mmpersonsearch.datasets.samplers import IdentityPairBatchSampler


class Scenes:
    """The part of a dataset that the sampler asks for."""

    metainfo = {}

    def __init__(self, person_ids):
        self.person_ids = person_ids

    def __len__(self):
        return len(self.person_ids)

    def get_data_info(self, index):
        return dict(instances=[dict(person_id=i) for i in self.person_ids[index]])

    def __getitem__(self, index):
        return dict(inputs=torch.tensor(index))


def draw_scenes(seed, images=41):
    rng = np.random.default_rng(seed)
    persons = [rng.integers(-1, 30, rng.integers(0, 5)).tolist() for _ in range(images)]
    # nobody, one who is in no other image, the same person twice in one image only
    return Scenes([*persons, [], [-1, -1], [77], [88, 88]])


def make(scenes, batch_size=4, seed=0):
    return IdentityPairBatchSampler(DefaultSampler(scenes, shuffle=True, seed=seed), batch_size)


def shared(scenes, one, other):
    return {i for i in scenes.person_ids[one] if i >= 0} & set(scenes.person_ids[other])


def with_partners(scenes):
    images = range(len(scenes))
    return {i for i in images if any(shared(scenes, i, j) for j in images if j != i)}


def pairs_of(batches):
    return [tuple(batch[i : i + 2]) for batch in batches for i in range(0, len(batch), 2)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("batch_size", [2, 4, 8])
def test_each_batch_is_made_of_pairs_that_share_an_identity(seed, batch_size):
    scenes = draw_scenes(seed)
    batch_sampler = make(scenes, batch_size, seed)
    batches = list(batch_sampler)
    anchors = with_partners(scenes)
    assert 30 < len(anchors) <= 41
    assert len(batches) == len(batch_sampler) == -(-2 * len(anchors) // batch_size)
    assert all(len(batch) == batch_size for batch in batches)
    pairs = pairs_of(batches)
    assert all(one != other and shared(scenes, one, other) for one, other in pairs)
    # Each image that has a partner is once the first; what is more repeats the beginning.
    assert sorted(one for one, _ in pairs[: len(anchors)]) == sorted(anchors)
    assert pairs[len(anchors) :] == pairs[: len(pairs) - len(anchors)]


def test_every_partner_comes_over_epochs_and_equally_often():
    scenes = Scenes([[0, 1], [0], [0, 5], [1], [7], [7, 7], [-1]])
    batch_sampler = make(scenes, 2)
    drawn = Counter()
    for epoch in range(600):
        batch_sampler.sampler.set_epoch(epoch)
        drawn.update(pairs_of(batch_sampler))
    # Image 0 takes identity 1, hence image 3, in half of the epochs.
    expected = {(0, 1): 150, (0, 2): 150, (0, 3): 300, (3, 0): 600, (4, 5): 600, (5, 4): 600}
    expected |= {(1, 0): 300, (1, 2): 300, (2, 0): 300, (2, 1): 300}
    assert drawn.keys() == expected.keys()
    assert all(abs(drawn[pair] - number) < 60 for pair, number in expected.items())


def test_order_depends_on_seed_and_epoch_only():
    scenes = draw_scenes(0)
    first, same, other = (make(scenes, seed=seed) for seed in (3, 3, 4))
    epoch0 = list(first)
    assert epoch0 == list(same) == list(first) != list(other)
    first.sampler.set_epoch(1)
    assert list(first) != epoch0 and len(list(first)) == len(epoch0)
    first.sampler.set_epoch(0)
    assert list(first) == epoch0


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_share_the_batches_of_one(world_size, monkeypatch):
    scenes = draw_scenes(1)
    alone = list(make(scenes))
    parts = []
    for rank in range(world_size):
        monkeypatch.setattr(sampler, "get_dist_info", lambda rank=rank: (rank, world_size))
        one = make(scenes)
        parts.append(list(one))
        assert len(parts[-1]) == len(one)
    assert len({len(part) for part in parts}) == 1
    together = [batch for batches in zip(*parts) for batch in batches]
    # Ranks differ from each other; the last batches of one rank alone may be filled up with the first pairs.
    full = len(with_partners(scenes)) // 2
    assert together[:full] == alone[:full]
    firsts = [one for one, _ in pairs_of(together)[: len(with_partners(scenes))]]
    assert len(set(firsts)) == len(firsts)


class Recorder(BaseModel):
    """Keeps the batches that it is trained on."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.batches = []

    def forward(self, inputs, mode="loss"):
        self.batches.append(torch.stack(inputs).tolist())
        return dict(loss=self.weight * 0)


def train(scenes, work_dir, train_cfg, resume=False):
    """The batches of a run."""
    by_epoch = train_cfg["type"] == "EpochBasedTrainLoop"
    model = Recorder()
    loader = dict(
        batch_size=4,
        num_workers=0,
        sampler=dict(type="DefaultSampler", shuffle=True),
        batch_sampler=dict(type="IdentityPairBatchSampler"),
        dataset=scenes,
        collate_fn=dict(type="pseudo_collate"),
    )
    runner = Runner(
        model,
        str(work_dir),
        train_dataloader=loader,
        train_cfg=train_cfg,
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)),
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", interval=1, by_epoch=by_epoch)),
        resume=resume,
        randomness=dict(seed=5),
        experiment_name=f"{work_dir.name}{train_cfg}{resume}",
        log_level="ERROR",
        default_scope="mmpersonsearch",
    )
    runner.train()
    return model.batches


@pytest.mark.parametrize(
    ("loop", "part", "whole"),
    [
        ("EpochBasedTrainLoop", dict(max_epochs=1), dict(max_epochs=3)),
        ("IterBasedTrainLoop", dict(max_iters=25), dict(max_iters=50)),
    ],
)
def test_resumed_training_goes_on_with_the_same_batches(loop, part, whole, tmp_path, monkeypatch):
    monkeypatch.setattr(loops.time, "sleep", lambda seconds: None)
    scenes = draw_scenes(2)
    expected = train(scenes, tmp_path / "whole", dict(type=loop, **whole))
    per_epoch = len(make(scenes))
    assert len(expected) > 2 * per_epoch and expected[:per_epoch] != expected[per_epoch : 2 * per_epoch]
    assert all(shared(scenes, one, other) for one, other in pairs_of(expected))
    begun = train(scenes, tmp_path / "parts", dict(type=loop, **part))
    resumed = train(scenes, tmp_path / "parts", dict(type=loop, **whole), resume=True)
    assert begun + resumed == expected


def test_person_search_datasets_tell_their_persons(prw_root):
    dataset = PRWDataset(data_root=str(prw_root), split="train")
    person_ids = [[one["person_id"] for one in dataset.get_data_info(i)["instances"]] for i in range(len(dataset))]
    batches = list(make(dataset, 2))
    assert batches
    assert all(shared(Scenes(person_ids), one, other) for one, other in batches)


def test_wrong_samplers_and_datasets_are_named():
    scenes = draw_scenes(0)
    for wrong in (InfiniteSampler(scenes, seed=0), DefaultSampler(scenes, shuffle=False)):
        with pytest.raises(ValueError, match="sampler must be dict\\(type='DefaultSampler', shuffle=True\\)"):
            IdentityPairBatchSampler(wrong, 4)
    with pytest.raises(ValueError, match="batch_size must be even, got 3"):
        make(scenes, 3)
    for persons in ([[0], [1], [-1], [-1]], [[], []], [[3, 3], [4]]):
        with pytest.raises(ValueError, match=f"no two of the {len(persons)} images in Scenes share an identity"):
            make(Scenes(persons))
    with pytest.raises(ValueError, match="list does not tell the persons of an image"):
        make(list(itertools.repeat(0, 4)))
