import pytest
import torch
from mmdet.registry import TASK_UTILS
from mmdet.structures.bbox import bbox2roi
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mmpersonsearch.registry import MODELS

C, H, W = 5, 4, 2


def build(kind="FeatureDecompositionBBoxHead", **kwargs):
    init_default_scope("mmpersonsearch")
    torch.manual_seed(0)
    shape = dict(in_channels=C, roi_feat_size=(H, W), num_classes=1)
    return MODELS.build(dict(type=kind, **{**shape, **kwargs})).double()


def linear(layer, feats):
    """A linear layer in plain Python."""
    rows = zip(layer.weight.tolist(), layer.bias.tolist())
    return [sum(w * f for w, f in zip(weights, feats)) + bias for weights, bias in rows]


def slow_forward(head, maps):
    """Equations 2, 3 and 5, RoI by RoI."""
    scores, deltas = [], []
    for f in maps.tolist():  # f[c][y][x]
        along_y = [sum(f[c][y][x] for x in range(W)) / W for c in range(C) for y in range(H)]
        along_x = [sum(f[c][y][x] for y in range(H)) / H for c in range(C) for x in range(W)]
        both = [sum(f[c][y][x] for y in range(H) for x in range(W)) / (H * W) for c in range(C)]
        (dx, dw), (dy, dh) = linear(head.fc_reg["x"], along_x), linear(head.fc_reg["y"], along_y)
        scores.append(linear(head.fc_cls, both))
        deltas.append([dx, dy, dw, dh])
    return torch.tensor(scores).double(), torch.tensor(deltas).double()


def test_equals_the_equations():
    head, maps = build(), torch.randn(3, C, H, W, dtype=torch.float64)
    for found, expected in zip(head(maps), slow_forward(head, maps)):
        torch.testing.assert_close(found, expected)


def test_gradient_of_the_decomposition():
    head, maps = build(), torch.randn(2, C, H, W, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(head, maps)


def test_the_decomposition_has_no_parameters():
    """One linear layer a task: h·C to (dy, dh), w·C to (dx, dw), C to the classes."""
    shapes = {name: tuple(p.shape) for name, p in build().named_parameters() if name.endswith("weight")}
    assert shapes == {"fc_reg.y.weight": (2, C * H), "fc_reg.x.weight": (2, C * W), "fc_cls.weight": (2, C)}


def test_each_axis_has_its_own_deltas():
    """What moves within a row changes the widths' side alone, what moves within a column the heights'."""
    head, maps = build(), torch.randn(2, C, H, W, dtype=torch.float64)
    scores, deltas = head(maps)
    for moved, changed in ((maps.flip(3), [0, 2]), (maps.roll(1, 2), [1, 3])):
        moved_scores, moved_deltas = head(moved)
        torch.testing.assert_close(moved_scores, scores)
        same = torch.isclose(moved_deltas, deltas).all(0)
        assert [i for i in range(4) if not same[i]] == changed


def test_several_classes_have_their_deltas_one_after_the_other():
    head = build(num_classes=3)
    maps = torch.randn(2, C, H, W, dtype=torch.float64)
    scores, deltas = head(maps)
    along_y, along_x, _ = head.decompose(maps)
    assert scores.shape == (2, 4) and deltas.shape == (2, 12)
    for k in range(3):
        torch.testing.assert_close(deltas[:, [4 * k, 4 * k + 2]], head.fc_reg["x"](along_x)[:, 2 * k : 2 * k + 2])
        torch.testing.assert_close(deltas[:, [4 * k + 1, 4 * k + 3]], head.fc_reg["y"](along_y)[:, 2 * k : 2 * k + 2])
    assert build(num_classes=3, reg_class_agnostic=True)(maps)[1].shape == (2, 4)


def test_initial_weights_are_those_of_mmdetections_head():
    head = build()
    head.init_weights()
    assert head.fc_reg["y"].weight.std() < 0.002 < 0.005 < head.fc_cls.weight.std() < 0.02
    assert head.fc_reg["x"].weight.std() > 0.0003 and head.fc_reg["x"].bias.abs().sum() == 0


def test_trained_deltas_decode_to_the_true_boxes():
    """The order of the deltas is the coder's: what the loss asks for is what is predicted."""
    head = build()
    priors, truth = torch.tensor([[10.0, 10, 50, 90]]).double(), torch.tensor([[14.0, 4, 44, 98]]).double()
    proposals, gt = InstanceData(priors=priors), InstanceData(bboxes=truth, labels=torch.tensor([0]))
    assigner = TASK_UTILS.build(dict(type="MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.5))
    sampler = TASK_UTILS.build(dict(type="PseudoSampler"))
    sampled = sampler.sample(assigner.assign(proposals, gt), proposals, gt)
    maps, rois = torch.randn(1, C, H, W, dtype=torch.float64), bbox2roi([priors])
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(200):
        losses = head.loss_and_target(*head(maps), rois, [sampled], ConfigDict(pos_weight=-1))["loss_bbox"]
        optimizer.zero_grad()
        (losses["loss_cls"] + losses["loss_bbox"]).backward()
        optimizer.step()
    scores, deltas = head(maps)
    meta = dict(img_shape=(100, 100), scale_factor=(1.0, 1.0))
    (found,) = head.predict_by_feat((rois,), (scores,), (deltas,), [meta], rcnn_test_cfg=None)
    torch.testing.assert_close(found.bboxes, truth, atol=0.05, rtol=0)
    assert found.scores[0, 0] > 0.9


def test_classes_without_the_mean_are_refused():
    with pytest.raises(ValueError, match="with_avg_pool=False, expected True"):
        build(with_avg_pool=False)


def test_convolutions_aggregate_to_the_same_shapes():
    head, maps = build("ConvDecompositionBBoxHead"), torch.randn(3, C, H, W, dtype=torch.float64)
    for conv, size in ((head.over_x, W), (head.over_y, H), (head.over_both.over_x, W), (head.over_both.over_y, H)):
        assert conv.weight.shape == (C, C * size, 1)
        conv.weight.data.copy_(torch.eye(C).repeat_interleave(size, 1)[..., None] / size)
        torch.nn.init.zeros_(conv.bias)
    for found, expected in zip(head.decompose(maps), build().decompose(maps)):
        torch.testing.assert_close(found, expected)  # equal weights of a channel's own positions are a mean
    for found, expected in zip(head(maps), slow_forward(head, maps)):
        torch.testing.assert_close(found, expected)


def test_convolutions_weigh_positions_of_all_channels():
    head, maps = build("ConvDecompositionBBoxHead"), torch.randn(3, C, H, W, dtype=torch.float64)
    along_y, along_x, both = head.decompose(maps)
    f, c = maps[1].tolist(), 3

    def slow(conv, value, size):
        """Output c of a convolution whose input channel k * size + i is ``value(k, i)``."""
        row = conv.weight[c, :, 0].tolist()
        return sum(row[k * size + i] * value(k, i) for k in range(C) for i in range(size)) + conv.bias[c].item()

    assert along_y[1, c * H + 2].item() == pytest.approx(slow(head.over_x, lambda k, x: f[k][2][x], W))
    assert along_x[1, c * W + 1].item() == pytest.approx(slow(head.over_y, lambda k, y: f[k][y][1], H))
    rows = head.over_both.over_x(maps[1:2].transpose(2, 3).flatten(1, 2))[0].tolist()
    assert both[1, c].item() == pytest.approx(slow(head.over_both.over_y, lambda k, y: rows[k][y], H))


def test_convolutions_bring_many_parameters():
    """FDPS, section 4.2; counts by hand for ResNet-50's maps of 2048 x 7 x 7."""
    with torch.device("meta"):
        head = build("ConvDecompositionBBoxHead", in_channels=2048, roi_feat_size=(7, 7))
        pooling = MODELS.build(dict(type="ConvPooling", channels=2048, size=(7, 7)))
    one = 7 * 2048 * 2048 + 2048
    assert sum(p.numel() for name, p in head.named_parameters() if name.startswith("over_")) == 4 * one
    assert sum(p.numel() for p in pooling.parameters()) == 2 * one


def test_pooled_heads_read_one_feature():
    maps = torch.randn(3, C, H, W, dtype=torch.float64)
    biggest = build(
        "PooledBBoxHead",
        pooling=dict(type="torch.nn.AdaptiveMaxPool2d", output_size=1),
        roi_feat_size=1,
        with_avg_pool=True,
    )
    whole = build("PooledBBoxHead", pooling=dict(type="torch.nn.Flatten"))
    for head, feats in ((biggest, maps.amax((2, 3))), (whole, maps.flatten(1))):
        assert head.fc_cls.in_features == head.fc_reg.in_features == feats.size(1)
        scores, deltas = head(maps)
        torch.testing.assert_close(scores, head.fc_cls(feats))
        torch.testing.assert_close(deltas, head.fc_reg(feats))
