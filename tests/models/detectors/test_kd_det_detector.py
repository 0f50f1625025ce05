import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tiny_models import NUM_IDS, draw_batch

from mmpersonsearch.engine.hooks import FrozenPartsHook
from mmpersonsearch.models.roi_heads.person_search_roi_head import SampledBoxes
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.config_files import find_config

PLAIN = {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "loss_id"}
DISTILLED = {"loss_hint", "loss_rpn_soft", "loss_rpn_bounded", "loss_rcn_soft", "loss_rcn_bounded"}


def read(name):
    cfg = Config.fromfile(find_config(name)).model
    cfg.train_cfg.rcnn.sampler.num = 8
    return cfg


def read_student(**changes):
    cfg = read("oim_r18_synth_kd-det")
    cfg.teacher.model = read("faster-rcnn_r18-c4_synth")
    cfg.roi_head.reid_head.num_ids = NUM_IDS
    cfg.update(changes)
    return cfg


def build(cfg=None):
    """A student; its teacher, of which nothing is at its initial value, counts as loaded."""
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    model = MODELS.build(cfg or read_student())
    for parameter in model.teacher.model.parameters():
        parameter.data.add_(0.01 * torch.randn_like(parameter))
    model.teacher.loaded = True
    return model


def total(losses):
    return sum(value for name, value in losses.items() if "loss" in name)


def draw(num_persons=(2, 1), **kwargs):
    return draw_batch(list(num_persons), size=(64, 96), **kwargs)


def become(model, teacher):
    """Give a student its teacher's detection part, as far as both have it, in the teacher's mode."""
    ours, theirs = model.state_dict(), teacher.state_dict()
    assert {key for key in theirs if key not in ours} == set()
    model.load_state_dict({**ours, **theirs})
    torch.nn.init.dirac_(model.loss_hint.adaptation.weight)
    torch.nn.init.zeros_(model.loss_hint.adaptation.bias)
    return model.train().apply(lambda m: m.eval() if isinstance(m, torch.nn.BatchNorm2d) else None)


@pytest.mark.parametrize("num_persons", [(2, 1), (0, 2), (0, 0)])
def test_all_losses_are_finite_and_reach_every_parameter(num_persons):
    model = build().train()
    losses = model.loss(*draw(num_persons))
    assert losses.keys() - {"acc"} == PLAIN | DISTILLED
    assert all(torch.isfinite(value) for value in losses.values())
    total(losses).backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    if sum(num_persons) == 0:
        assert losses["loss_rpn_bounded"] == losses["loss_rcn_bounded"] == losses["loss_id"] == 0


def test_each_term_reaches_what_it_is_to_teach():
    model = build().train()
    losses = model.loss(*draw())
    parts = {
        "backbone": model.backbone.conv1.weight,
        "adaptation": model.loss_hint.adaptation.weight,
        "rpn_cls": model.rpn_head.rpn_cls.weight,
        "rpn_reg": model.rpn_head.rpn_reg.weight,
        "fc_cls": model.roi_head.bbox_head.fc_cls.weight,
        "fc_reg": model.roi_head.bbox_head.fc_reg.weight,
    }
    expected = {
        "loss_hint": "adaptation",
        "loss_rpn_soft": "rpn_cls",
        "loss_rpn_bounded": "rpn_reg",
        "loss_rcn_soft": "fc_cls",
        "loss_rcn_bounded": "fc_reg",
    }
    for name, part in expected.items():
        assert losses[name] > 0, name
        grads = torch.autograd.grad(losses[name], list(parts.values()), retain_graph=True, allow_unused=True)
        reached = {key for key, grad in zip(parts, grads) if grad is not None and grad.abs().sum() > 0}
        assert reached == {"backbone", part}


def test_mu_is_the_share_of_the_ground_truth():
    model = build().train()
    images, samples = draw()
    losses = {}
    for mu in (0.0, 0.25, 1.0):
        model.mu = mu
        torch.manual_seed(1)
        losses[mu] = model.loss(images, copy.deepcopy(samples))
    for hard, soft in (("loss_rpn_cls", "loss_rpn_soft"), ("loss_cls", "loss_rcn_soft")):
        assert losses[0.0][hard] == losses[1.0][soft] == 0
        assert losses[0.25][hard].item() == pytest.approx(0.25 * losses[1.0][hard].item(), rel=1e-5)
        assert losses[0.25][soft].item() == pytest.approx(0.75 * losses[0.0][soft].item(), rel=1e-5)


def test_the_losses_to_the_ground_truth_are_those_of_the_student_alone():
    model = build(read_student(mu=1.0)).train()
    cfg = read_student(type="PersonSearchDetector")
    for name in ("teacher", "mu", "loss_hint", "loss_soft", "loss_bounded"):
        cfg.pop(name)
    plain = MODELS.build(cfg).train()
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("loss_hint")})
    images, samples = draw()
    torch.manual_seed(1)
    found = model.loss(images, copy.deepcopy(samples))
    torch.manual_seed(1)
    expected = plain.loss(images, samples)
    for name in PLAIN:
        value = sum(expected[name]) if isinstance(expected[name], list) else expected[name]  # the RPN's: one a map
        assert torch.equal(found[name], value), name


def test_losses_by_hand_of_one_map():
    """The RPN's terms from the definition, anchor by anchor of those that the student sampled."""
    model = build().train()
    for detector in (model, model.teacher.model):
        torch.nn.init.normal_(detector.rpn_head.rpn_cls.weight)  # that anchors differ
    images, samples = draw()
    kept = {}
    original = model.rpn_head.get_targets
    model.rpn_head.get_targets = lambda *args: kept.setdefault("targets", original(*args))
    losses = model.loss(images, samples)
    ((_, weights, targets, bbox_weights), avg_factor) = [one for (one,) in kept["targets"][:4]], kept["targets"][4]
    with torch.no_grad():
        outs = [detector.rpn_head(detector.extract_feat(images)) for detector in (model, model.teacher.model)]
    num_anchors = model.rpn_head.num_base_priors
    soft = bounded = 0.0
    width = outs[0][0][0].shape[3]
    for i, anchor in (weights > 0).nonzero().tolist():
        cell, kind = divmod(anchor, num_anchors)
        y, x = divmod(cell, width)
        (p_s, d_s), (p_t, d_t) = [
            (torch.sigmoid(scores[0][i, kind, y, x] / 10), deltas[0][i, 4 * kind : 4 * kind + 4, y, x])
            for scores, deltas in outs
        ]
        soft += p_t * (p_t / p_s).log() + (1 - p_t) * ((1 - p_t) / (1 - p_s)).log()
        if bbox_weights[i, anchor].all():
            error, bound = ((d - targets[i, anchor]).square().sum() for d in (d_s, d_t))
            bounded += error if error > bound else 0.0
    # 1 - mu, and T^2, which the synthetic set's configs have
    assert losses["loss_rpn_soft"].item() == pytest.approx(0.5 * 10**2 * soft.item() / avg_factor, rel=1e-4)
    assert bounded > 0
    assert losses["loss_rpn_bounded"].item() == pytest.approx(0.5 * bounded.item() / avg_factor, rel=1e-4)


def test_the_teachers_box_head_sees_the_students_rois_in_its_own_map(monkeypatch):
    model = build().train()
    seen = {}
    original = model.teacher.predict_rois
    monkeypatch.setattr(model.teacher, "predict_rois", lambda x, rois: seen.update(x=x, rois=rois) or original(x, rois))
    original_distil = model.distil_rois
    monkeypatch.setattr(model, "distil_rois", lambda x, boxes: seen.update(boxes=boxes) or original_distil(x, boxes))
    images, samples = draw()
    losses = model.loss(images, samples)
    assert torch.equal(seen["x"][0], model.teacher.extract_feat(images)[0])
    boxes = seen["boxes"]
    assert torch.equal(seen["rois"], boxes.rois)
    assert boxes.rois.shape == (16, 5) and set(boxes.rois[:, 0].tolist()) == {0, 1}
    # The targets of persons lead to true boxes of their images.
    persons = (boxes.labels == 0).nonzero().flatten().tolist()
    assert persons and boxes.bbox_weights.sum() == 4 * len(persons)
    found = model.roi_head.bbox_head.bbox_coder.decode(boxes.rois[:, 1:], boxes.bbox_targets)
    for i in persons:
        distances = found[i] - samples[int(boxes.rois[i, 0])].gt_instances.bboxes
        assert distances.abs().max(dim=1).values.min() < 1e-3
    scores, deltas = original(seen["x"], boxes.rois)
    targets = (boxes.label_weights, boxes.bbox_targets, boxes.bbox_weights)
    again = model.distil("rcn", (boxes.cls_score, boxes.bbox_pred), (scores, deltas), *targets, avg_factor=16)
    assert all(torch.equal(again[name], losses[name]) for name in ("loss_rcn_soft", "loss_rcn_bounded"))


def test_a_student_that_is_its_teacher_has_nothing_to_learn_of_it():
    model = build()
    become(model, model.teacher.model)
    model.loss_bounded.margin = -1e-3  # the two differ by rounding
    losses = model.loss(*draw())
    assert losses["loss_hint"].item() < 1e-10
    assert losses["loss_rpn_bounded"] == losses["loss_rcn_bounded"] == 0
    soft = losses["loss_rpn_soft"] + losses["loss_rcn_soft"] + losses["loss_hint"]
    model.zero_grad()
    soft.backward()
    grads = [p.grad.abs().max() for p in model.parameters() if p.grad is not None]
    assert len(grads) > 10 and max(grads) < 1e-5
    assert losses["loss_cls"] > 0


def test_a_wider_teacher():
    cfg = read("oim_r18_synth_kd-det")  # DET_50
    cfg.roi_head.reid_head.num_ids = NUM_IDS
    model = build(cfg).train()
    assert model.loss_hint.adaptation.weight.shape == (512, 128, 1, 1)
    losses = model.loss(*draw((1,)))
    assert all(losses[name] > 0 for name in ("loss_hint", "loss_rpn_soft", "loss_rcn_soft"))


def test_teacher_is_hidden_frozen_and_in_eval_mode():
    model = build().train()
    teacher = model.teacher.model
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for seed in (0, 1):
        total(model.loss(*draw(seed=seed))).backward()
        optimizer.step()
    assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in teacher.parameters())
    assert not any(module.training for module in teacher.modules())
    assert not any("teacher" in name for name, _ in model.named_modules())
    assert not any("teacher" in key for key in model.state_dict())
    assert sum("loss_hint" in key for key in model.state_dict()) == 2


def test_teacher_follows_moves():
    assert next(build().double().teacher.model.parameters()).dtype == torch.float64


def test_autocast():
    model = build().train()
    with torch.autocast("cpu", torch.bfloat16):
        losses = model.loss(*draw())
        total(losses).backward()
    assert all(torch.isfinite(value) and value.dtype == torch.float32 for value in losses.values())


@torch.no_grad()
def test_predicts_as_a_student_without_teacher():
    model = build().eval()
    model.roi_head.test_cfg.score_thr = 0.0
    images, samples = draw((1,), num_queries=[1])
    (result,) = model.predict(images, samples)
    assert len(result.pred_instances) > 0 and result.query_instances.reid_feats.shape == (1, 256)


def runner_of(model):
    loader = SimpleNamespace(dataset=SimpleNamespace(metainfo={}))
    return SimpleNamespace(model=model, iter=0, train_dataloader=loader)


def test_hook_loads_the_teacher_strictly(tmp_path):
    model = build()
    model.teacher.loaded = False
    with pytest.raises(RuntimeError, match=r"the teacher \(PersonDetector\) is not loaded .*FrozenPartsHook"):
        model.train().loss(*draw())
    teacher = model.teacher.model
    weights = {k: torch.rand_like(v) if v.is_floating_point() else v for k, v in teacher.state_dict().items()}
    path = tmp_path / "detector.pth"
    torch.save({"state_dict": weights}, path)
    model.teacher.checkpoint = str(path)
    FrozenPartsHook().before_train(runner_of(model))
    assert model.teacher.loaded
    assert all(torch.equal(weights[key], value) for key, value in teacher.state_dict().items())

    del weights["rpn_head.rpn_cls.bias"]
    torch.save({"state_dict": weights}, path)
    with pytest.raises(ValueError, match=r"detector\.pth .*rpn_head\.rpn_cls\.bias is missing"):
        FrozenPartsHook().before_train(runner_of(model))


def test_teacher_of_other_pixels():
    model = build()
    model.data_preprocessor.std = torch.ones(3, 1, 1)
    with pytest.raises(ValueError, match=r"student\.data_preprocessor and teacher\.data_preprocessor must normalize"):
        FrozenPartsHook().before_train(runner_of(model))


def change(key, value):
    cfg = read_student()
    *path, last = key.split(".")
    part = cfg.teacher.model
    for name in path:
        part = part[name]
    part[last] = value
    return cfg


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("rpn_head.anchor_generator.scales", [1, 2, 3, 4], r"rpn_head\.anchor_generator must"),
        ("rpn_head.anchor_generator.strides", [16], r"rpn_head\.anchor_generator\.strides must"),
        ("rpn_head.bbox_coder.target_stds", [0.1, 0.1, 0.2, 0.2], r"rpn_head\.bbox_coder must"),
        ("roi_head.bbox_head.bbox_coder.target_means", [0.1, 0, 0, 0], r"roi_head\.bbox_head\.bbox_coder must"),
    ],
)
def test_teacher_of_other_boxes(key, value, named):
    with pytest.raises(ValueError, match=f"{named} be the same in student and teacher"):
        build(change(key, value))


def test_an_encoding_may_be_written_as_list_or_tuple():
    build(change("roi_head.bbox_head.bbox_coder.target_stds", (0.1, 0.1, 0.2, 0.2)))


def test_bad_mu():
    with pytest.raises(ValueError, match=r"mu must be in \[0, 1\], got 1\.5"):
        build(read_student(mu=1.5))


def test_nothing_sampled_is_a_zero_with_a_graph():
    model = build().train()
    x = model.teacher.extract_feat(draw((1,))[0])
    scores, deltas = torch.zeros(0, 2, requires_grad=True), torch.zeros(0, 4, requires_grad=True)
    nothing = SampledBoxes(x[0].new_zeros(0, 5), scores, deltas, *(torch.zeros(0, *s) for s in ((), (), (4,), (4,))))
    losses = model.distil_rois(x, nothing)
    sum(losses.values()).backward()
    assert all(value == 0 for value in losses.values()) and scores.grad is not None
