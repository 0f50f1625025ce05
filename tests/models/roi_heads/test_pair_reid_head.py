import pytest
import torch
import torch.nn.functional as F

from mmpersonsearch.models.losses import C2HEPLoss, HEPLoss, OLPLoss, select_priority_classes
from mmpersonsearch.models.roi_heads.reid_heads import PairReIDHead

OLP = dict(type="OLPLoss", feat_channels=5, dictionary_size=8)


def make_head(loss_pair=OLP, loss_id=None, **kwargs):
    torch.manual_seed(0)
    loss_id = loss_id or dict(type="C2HEPLoss")
    kwargs = dict(in_channels=6, feat_channels=5, num_ids=9, pool_size=5, num_hardest=3) | kwargs
    return PairReIDHead(loss_pair=loss_pair, loss_id=loss_id, **kwargs).train()


def draw(seed, n=8):
    """Three of nine identities and unlabelled persons."""
    g = torch.Generator().manual_seed(seed)
    identities = torch.cat([torch.randperm(9, generator=g)[:3], torch.tensor([-1])])
    return torch.randn(n, 6, 3, 2, generator=g), identities[torch.randint(4, (n,), generator=g)]


def test_losses_share_the_pool_that_the_dictionary_gave_before_the_batch():
    head = make_head()
    olp, c2hep = OLPLoss(5, dictionary_size=8), C2HEPLoss(9, 5)
    for seed in range(4):
        maps, person_ids = draw(seed)
        feats = F.normalize(head.reduction(maps.mean((2, 3))))
        torch.manual_seed(seed)
        pool = select_priority_classes(person_ids, 9, 5, olp.hardest_negatives(feats, person_ids, 3))
        expected = dict(loss_id=c2hep(feats, person_ids, pool), loss_pair=olp(feats, person_ids))
        torch.manual_seed(seed)
        losses = head.loss(maps, person_ids)
        assert losses.keys() == expected.keys()
        assert all(torch.allclose(losses[key], value, atol=1e-6) for key, value in expected.items())
    assert torch.equal(head.loss_pair.dictionary.features, olp.dictionary.features)
    assert torch.equal(head.loss_id.centers.features, c2hep.centers.features)


def test_hep_chooses_among_background_too():
    head = make_head(loss_id=dict(type="HEPLoss"), pool_size=100)
    assert isinstance(head.loss_id, HEPLoss)
    head.loss(*draw(0))["loss_id"].backward()
    assert (head.loss_id.classifier.weight.grad != 0).any(dim=1).tolist() == [True] * 10


@pytest.mark.parametrize("kind", ["ContrastiveLoss", "BatchHardTripletLoss"])
def test_a_loss_without_a_dictionary_has_no_hardest_negatives(kind):
    with pytest.raises(ValueError, match=f"num_hardest is 3, but loss_pair {kind} keeps no dictionary"):
        make_head(loss_pair=dict(type=kind))
    losses = make_head(loss_pair=dict(type=kind), num_hardest=0).loss(*draw(0))
    assert losses["loss_pair"] > 0 and losses["loss_id"] > 0


def test_no_batch_norm_and_its_sizes():
    head = make_head()
    assert head.loss_id.num_ids == 9 and head.loss_id.centers.features.shape == (9, 5)
    assert not any("bn" in key for key in head.state_dict())
    saved = {"loss_pair.dictionary.features", "loss_pair.dictionary.person_ids", "loss_pair.dictionary.head"}
    assert saved | {"loss_pair.dictionary.length", "loss_id.centers.features"} <= head.state_dict().keys()


def test_nobody_is_a_zero_with_a_graph():
    losses = make_head().loss(torch.zeros(0, 6, 3, 2), torch.zeros(0, dtype=torch.int64))
    assert [value.item() for value in losses.values()] == [0, 0]


def test_dictionary_of_another_width():
    with pytest.raises(ValueError, match="reid_head: feat_channels is 5, but that of loss_pair is 256"):
        make_head(loss_pair=dict(type="OLPLoss"))
