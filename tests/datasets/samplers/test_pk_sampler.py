import itertools
from collections import Counter

import numpy as np
import pytest
from dataset_writers import write_image
from mmdet.datasets import ReIDDataset

from mmpersonsearch.datasets.samplers import PKSampler, pk_sampler
from mmpersonsearch.utils.errors import InputError


class Labels:
    """The part of a dataset that the sampler asks for."""

    def __init__(self, labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def get_data_info(self, index):
        return dict(gt_label=np.array(self.labels[index]))


def uneven_labels(seed, identities=23):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 14, identities)
    counts[0] = 90  # one identity with far more images than the others
    return rng.permutation(np.repeat(10 * np.arange(identities), counts)).tolist()


def batches_of(sampler):
    size = sampler.num_ids * sampler.num_instances
    indices = list(sampler)
    assert len(indices) == len(sampler) and len(indices) % size == 0
    return [indices[i : i + size] for i in range(0, len(indices), size)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("num_ids", "num_instances"), [(4, 4), (5, 3), (1, 2), (23, 1)])
def test_batches_hold_p_identities_with_k_images(seed, num_ids, num_instances):
    labels = uneven_labels(seed)
    counts = Counter(labels)
    batches = batches_of(PKSampler(Labels(labels), num_ids, num_instances, seed=seed))
    assert batches
    seen = Counter()
    for batch in batches:
        drawn = Counter(labels[i] for i in batch)
        assert len(drawn) == num_ids and set(drawn.values()) == {num_instances}
        for label in drawn:
            images = [i for i in batch if labels[i] == label]
            assert len(set(images)) == min(num_instances, counts[label])
        # Images of one identity lie together.
        assert all(labels[batch[i]] == labels[batch[i - i % num_instances]] for i in range(len(batch)))
        seen.update(batch)
    # None comes twice in an epoch, but for identities with too few.
    assert all(times == 1 for i, times in seen.items() if counts[labels[i]] >= num_instances)


def test_number_of_batches():
    # 6 identities x 8 images in groups of 4: 12 groups, 4 batches of 3 identities.
    assert len(PKSampler(Labels([i // 8 for i in range(48)]), 3, 4, seed=0)) == 4 * 12
    # One identity has 10 groups, two have one each: only one batch of 3 different ones.
    assert len(PKSampler(Labels([0] * 40 + [1] * 4 + [2] * 4), 3, 4, seed=0)) == 12
    # Groups 5, 2, 2, 1: three batches of two ( 0 1, 0 2, 0 3 or better) at least, five at most.
    labels = [0] * 20 + [1] * 8 + [2] * 8 + [3] * 4
    assert len(PKSampler(Labels(labels), 2, 4, seed=0)) == 5 * 8


def test_nothing_is_left_out_where_all_fits():
    labels = [i // 8 for i in range(48)]
    assert sorted(PKSampler(Labels(labels), 3, 4, seed=0)) == list(range(48))


def test_order_depends_on_seed_and_epoch_only():
    labels = uneven_labels(0)
    first, same, other = (PKSampler(Labels(labels), 4, 4, seed=seed) for seed in (3, 3, 4))
    assert list(first) == list(same) == list(first)
    assert list(first) != list(other)
    epoch0 = list(first)
    first.set_epoch(1)
    assert list(first) != epoch0 and len(list(first)) == len(epoch0)
    first.set_epoch(0)
    assert list(first) == epoch0


def test_an_infinite_sampler_gives_epoch_after_epoch():
    labels = uneven_labels(0)
    one, endless = (PKSampler(Labels(labels), 4, 4, seed=3, infinite=infinite) for infinite in (False, True))
    epochs = []
    for epoch in (2, 3, 4):
        one.set_epoch(epoch)
        epochs += list(one)
    endless.set_epoch(2)
    assert len(endless) == len(one)
    assert list(itertools.islice(endless, len(epochs))) == epochs


def test_every_identity_comes_over_epochs():
    labels = uneven_labels(1)
    sampler = PKSampler(Labels(labels), 4, 4, seed=0)
    seen = set()
    for epoch in range(30):
        sampler.set_epoch(epoch)
        seen.update(sampler)
    assert seen == set(range(len(labels)))


def test_ranks_share_the_batches_of_one(monkeypatch):
    labels = uneven_labels(2)

    def sampler(rank, world_size):
        monkeypatch.setattr(pk_sampler, "get_dist_info", lambda: (rank, world_size))
        return PKSampler(Labels(labels), 4, 2, seed=0)

    parts = [batches_of(sampler(rank, 3)) for rank in range(3)]
    assert len({len(part) for part in parts}) == 1
    drawn = Counter(i for part in parts for batch in part for i in batch)
    counts = Counter(labels)
    assert all(times == 1 for i, times in drawn.items() if counts[labels[i]] >= 2)
    alone = batches_of(sampler(0, 1))
    assert len(alone) - 3 < 3 * len(parts[0]) <= len(alone)
    for part in parts:
        for batch in part:
            assert set(Counter(labels[i] for i in batch).values()) == {2}


def test_reid_dataset_tells_its_labels(tmp_path):
    lines = [f"{name}.jpg {label}" for name, label in zip("abcdef", [0, 1, 0, 1, 2, 2])]
    (tmp_path / "train.txt").write_text("\n".join(lines))
    for name in "abcdef":
        write_image(tmp_path / f"{name}.jpg", size=(8, 16))
    dataset = ReIDDataset(data_root=str(tmp_path), ann_file="train.txt", data_prefix=dict(img_path=""))
    for batch in batches_of(PKSampler(dataset, 3, 2, seed=0)):
        assert sorted(batch) == list(range(6))
        assert {frozenset(batch[i : i + 2]) for i in (0, 2, 4)} == {frozenset(p) for p in ((0, 2), (1, 3), (4, 5))}


def test_wrong_datasets_are_named():
    with pytest.raises(ValueError, match="8 images of 2 identities make 0 batches of 3 identities x 4 images"):
        PKSampler(Labels([0] * 4 + [1] * 4), 3, 4)
    with pytest.raises(ValueError, match="0 images of 0 identities make 0 batches"):
        PKSampler(Labels([]), 3, 4)
    with pytest.raises(ValueError, match="list does not tell an image's identity"):
        PKSampler([1, 2, 3], 3, 4)
    with pytest.raises(ValueError, match="num_instances 0"):
        PKSampler(Labels([0, 1]), 1, 0)


@pytest.mark.parametrize(
    ("labels", "remedy"),
    [
        ([i // 4 for i in range(32)], "set train_dataloader.sampler.num_ids to at most 8"),
        ([0] * 40 + [1, 1], "set train_dataloader.sampler.num_ids to at most 2"),
        ([0] * 40, "label more persons"),
    ],
)
def test_too_few_identities_name_the_key_and_what_fits(labels, remedy):
    with pytest.raises(InputError, match=remedy):
        PKSampler(Labels(labels))
