import math

import pytest
import torch
import torch.nn.functional as F
from distributed import run_in_processes

from mmpersonsearch.models.losses import BalancedOIMLoss, OIMLoss, center_density, negative_category_loss
from mmpersonsearch.models.roi_heads.reid_heads import OIMReIDHead

IDS, DIM, QUEUE = 5, 6, 7
TERMS = [(True, True), (True, False), (False, True), (False, False)]  # w, L_neg: the rows of table 2, BOIM first


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def quotient(a, b):
    """As IEEE 754 has it."""
    return a / b if b else (math.copysign(math.inf, a) if a else math.nan)


def slow_loss(lut, queue, feats, person_ids, scale, sigma, beta, with_w, with_neg):
    """Equations 6, 7 and 9 to 11 on lists of numbers, sample by sample; mean over the labelled."""
    labelled = [(x, t) for x, t in zip(feats, person_ids) if t >= 0]
    alpha = -2 * math.log(len(lut))
    w = sum(math.exp(dot(v_i, v_j) + alpha) for v_i in lut for v_j in lut) if with_w else 1
    total = 0.0
    for x, t in labelled:
        total_exp = sum(math.exp(scale * dot(v, x)) for v in lut + queue)
        total += w * -math.log(math.exp(scale * dot(lut[t], x)) / total_exp)
        negatives = [
            dot(v_j, x) for j, v_j in enumerate(lut) if j != t and quotient(dot(v_j, x), dot(lut[t], x)) > sigma
        ]
        if with_neg and negatives:
            total += sum(max(s - beta, 0) for s in negatives) / len(negatives)
    return total / max(len(labelled), 1)


def draw(n, seed):
    g = torch.Generator().manual_seed(seed)
    feats = F.normalize(torch.randn(n, DIM, generator=g, dtype=torch.float64) + 0.6)
    return feats, torch.randint(-1, IDS, (n,), generator=g)


def build(with_w=True, with_neg=True, **kwargs):
    options = dict(feat_channels=DIM, queue_size=QUEUE, sigma=0.6, beta=0.3)
    return BalancedOIMLoss(IDS, with_w=with_w, with_neg=with_neg, **{**options, **kwargs}).double()


@pytest.mark.parametrize(("with_w", "with_neg"), TERMS)
def test_sequence_of_batches_equals_the_equations(with_w, with_neg):
    """From empty memories on, so with zero rows; unlabelled persons in each batch."""
    boim = build(with_w, with_neg)
    values, empty = set(), 0
    for seed in range(8):
        feats, person_ids = draw(9, seed)
        lut, queue = boim.lut.features.tolist(), boim.queue.features.tolist()
        empty += sum(not any(lut[t]) for t in person_ids if t >= 0)
        expected = slow_loss(lut, queue, feats.tolist(), person_ids.tolist(), 30.0, 0.6, 0.3, with_w, with_neg)
        assert boim(feats, person_ids).item() == pytest.approx(expected, rel=1e-9)
        values.add(round(expected, 6))
    assert empty > 3 and len(values) == 8


def test_memories_are_those_of_oim():
    boim, oim = build(), OIMLoss(IDS, feat_channels=DIM, queue_size=QUEUE).double()
    assert boim.state_dict().keys() == oim.state_dict().keys()
    for seed in range(5):
        for loss in (boim, oim):
            loss(*draw(9, seed))
    assert all(torch.equal(value, oim.state_dict()[key]) for key, value in boim.state_dict().items())


def test_without_its_terms_it_is_oim():
    boim, oim = build(False, False, loss_weight=0.5), OIMLoss(IDS, feat_channels=DIM, queue_size=QUEUE).double()
    for seed in range(4):
        assert boim(*draw(9, seed)).item() == 0.5 * oim(*draw(9, seed)).item()


def test_gradient_is_the_equations():
    """No gradient through w, through which negatives are hard, or into the memories."""
    boim = build()
    for seed in range(4):
        boim(*draw(9, seed))
    boim.eval()
    feats, person_ids = draw(6, 9)
    torch.autograd.gradcheck(lambda x: boim(x, person_ids), feats.requires_grad_())
    # The same of L_neg alone by hand: the mean of the hard negatives' centres that lie above beta.
    only = build(False, True)
    only.lut.load_state_dict(boim.lut.state_dict())
    x = feats[:1].detach().requires_grad_()
    t = int(person_ids.max())
    centers = boim.lut.features
    sims = (centers @ x[0]).detach()
    hard = [j for j in range(IDS) if j != t and sims[j] / sims[t] > 0.6]
    expected = sum(centers[j] for j in hard if sims[j] > 0.3) / len(hard)
    assert len(hard) > 1 and any(sims[j] > 0.3 for j in hard)
    negative_category_loss(x @ centers.t(), torch.tensor([t]), 0.6, 0.3).sum().backward()
    torch.testing.assert_close(x.grad[0], expected)


def test_backward_after_the_update_of_the_memories():
    boim = build()
    boim(*draw(9, 9))  # of empty memories there is no gradient
    for seed in range(3):
        feats, person_ids = draw(9, seed)
        feats.requires_grad_()
        boim(feats, person_ids).backward()
        assert feats.grad[person_ids >= 0].abs().sum() > 0
        assert feats.grad[person_ids < 0].abs().sum() == 0


def test_density_by_hand():
    # Two centres at 60 degrees: 2 e^1 + 2 e^0.5 over four pairs; an empty row adds five of e^0.
    centers = torch.tensor([[1.0, 0.0], [0.5, 0.75**0.5], [0.0, 0.0]])
    assert center_density(centers[:2]).item() == pytest.approx((math.e + math.exp(0.5)) / 2)
    assert center_density(centers).item() == pytest.approx((2 * math.e + 2 * math.exp(0.5) + 5) / 9)
    assert center_density(torch.zeros(4, 3)) == 1
    assert center_density(F.normalize(torch.ones(4, 3))).item() == pytest.approx(math.e)  # the densest
    assert center_density(centers, alpha=0.0).item() == pytest.approx(2 * math.e + 2 * math.exp(0.5) + 5)
    assert center_density(centers, alpha=-1.0).item() == pytest.approx(2 + 2 * math.exp(-0.5) + 5 / math.e)
    assert not center_density(centers.requires_grad_()).requires_grad


def test_alpha_scales_the_oim_term():
    batch = draw(9, 1)
    losses = []
    for with_neg, alpha in ((True, None), (False, None), (True, -2 * math.log(IDS) - 1)):
        boim = build(with_neg=with_neg, alpha=alpha)
        boim(*draw(9, 0))
        losses.append(boim(*batch).item())
    whole, oim, shifted = losses
    assert shifted - (whole - oim) == pytest.approx(oim / math.e)


def test_negatives_by_hand():
    # Similarity to the positive 0.8: hard above 0.4. Of 0.5, 0.7 and 0.41, beta 0.45 leaves 0.05 and 0.25.
    similarities = torch.tensor([[0.8, 0.5, 0.7, 0.39, -0.9, 0.41]])
    loss = negative_category_loss(similarities, torch.tensor([0]), sigma=0.5, beta=0.45)
    assert loss.tolist() == pytest.approx([(0.05 + 0.25) / 3])


@pytest.mark.parametrize(
    ("similarities", "expected"),
    [
        ([0.9, 0.3, 0.2], 0.0),  # no hard negative
        ([0.0, 0.3, 0.9], (0.1 + 0.7) / 2),  # an empty positive centre: all with a positive similarity
        ([0.0, 0.0, 0.0], 0.0),  # nothing but empty centres
        ([-0.2, 0.9, -0.5], 0.0),  # by the quotient only -0.5 is hard, and below beta
        ([0.9, 0.0, 0.8], 0.6),  # an empty centre is no hard negative
        ([0.8, 0.4, 0.7], 0.5),  # sigma itself is not above sigma
    ],
)
def test_negatives_at_the_limits(similarities, expected):
    similarities = torch.tensor([similarities], requires_grad=True)
    loss = negative_category_loss(similarities, torch.tensor([0]), sigma=0.5, beta=0.2)
    loss.sum().backward()
    assert loss.item() == pytest.approx(expected)
    assert torch.isfinite(similarities.grad).all() and similarities.grad[0, 0] == 0


@pytest.mark.parametrize("person_ids", [[], [-1, -1]])
def test_no_labelled_person_is_a_zero_with_a_graph(person_ids):
    boim = build()
    boim(*draw(9, 0))
    feats = torch.randn(len(person_ids), DIM, dtype=torch.float64, requires_grad=True)
    loss = boim(feats, torch.tensor(person_ids, dtype=torch.int64))
    loss.backward()
    assert loss.item() == 0
    assert feats.grad.abs().sum() == 0


def test_w_is_computed_once_a_step(monkeypatch):
    from mmpersonsearch.models.losses import oim_loss

    shapes = []
    monkeypatch.setattr(oim_loss, "center_density", lambda v, alpha: shapes.append(v.shape) or torch.ones(()).double())
    boim = build()
    boim(*draw(9, 0))
    boim(*draw(9, 1))
    assert shapes == [(IDS, DIM)] * 2
    build(with_w=False)(*draw(9, 0))
    assert len(shapes) == 2


def test_frozen_lut_keeps_w():
    boim = build(freeze_lut=True)
    boim.lut.features.copy_(F.normalize(torch.randn(IDS, DIM)))
    before = boim.lut.features.clone()
    boim(*draw(9, 0))
    assert torch.equal(boim.lut.features, before) and boim.queue.features.abs().sum() > 0


def test_autocast_keeps_float32():
    boim, plain = build().float(), build().float()
    for seed in range(3):
        feats, person_ids = draw(9, seed)
        with torch.autocast("cpu", torch.bfloat16):
            loss = boim(feats.bfloat16(), person_ids)
        assert loss.dtype == boim.lut.features.dtype == torch.float32
        assert torch.equal(loss, plain(feats.bfloat16().float(), person_ids))


def test_reid_head_trains_with_it():
    head = OIMReIDHead(in_channels=4, num_ids=IDS, feat_channels=DIM, loss_id=dict(type="BalancedOIMLoss", beta=0.1))
    for _ in range(2):  # of empty memories there is no gradient
        losses = head.train().loss(torch.randn(5, 4, 3, 2), torch.tensor([0, 1, -1, 2, 0]))
    losses["loss_id"].backward()
    assert head.loss_id.beta == 0.1 and head.reduction.weight.grad.abs().sum() > 0


SHARES = {2: [slice(0, 4), slice(4, 10)], 3: [slice(0, 4), slice(4, 4), slice(4, 10)]}  # a rank without persons


def train_on_rank(rank, world_size, path):
    boim = build()
    results = []
    for seed in range(5):
        feats, person_ids = draw(10, seed)
        if seed == 3:
            person_ids[:4] = -1  # a rank without labelled persons
        if world_size > 1:
            feats, person_ids = feats[SHARES[world_size][rank]], person_ids[SHARES[world_size][rank]]
        feats.requires_grad_()
        loss = boim(feats, person_ids)
        loss.backward()
        results.append((loss.item(), feats.grad))
    torch.save((boim.state_dict(), results), f"{path}/{world_size}_{rank}.pth")


@pytest.mark.parametrize("world_size", [2, 3])
def test_processes_equal_one(world_size, tmp_path):
    train_on_rank(0, 1, tmp_path)
    run_in_processes(world_size, train_on_rank, world_size, str(tmp_path))
    state, results = torch.load(tmp_path / "1_0.pth")
    ranks = [torch.load(tmp_path / f"{world_size}_{rank}.pth") for rank in range(world_size)]
    for there, _ in ranks:
        assert all(torch.equal(there[key], value) for key, value in state.items())
    for step, (loss, grad) in enumerate(results):
        parts = [there[step] for _, there in ranks]
        # DDP takes the mean of the ranks' gradients.
        assert sum(part for part, _ in parts) / world_size == pytest.approx(loss, rel=1e-6)
        torch.testing.assert_close(torch.cat([part for _, part in parts]) / world_size, grad, rtol=1e-6, atol=1e-9)
