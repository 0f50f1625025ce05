import math

import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mmpersonsearch.models.dense_heads.qrpn import QRPN, add_objectness
from mmpersonsearch.registry import MODELS

SIZE = (64, 96)


def build(**kwargs):
    torch.manual_seed(0)
    return QRPN(4, 3, roi_feat_size=2, gate_channels=3, feat_channels=5, **kwargs)


def slow_logits(head, query, gallery):
    """(A, H, W) logits of one pair of (C, h, w) RoI feature and (C, H, W) map."""
    f = query.flatten().tolist()
    hidden = [max(sum(w * v for w, v in zip(row, f)) + b, 0) for row, b in linear(head.squeeze)]
    gate = [1 / (1 + math.exp(-sum(w * v for w, v in zip(row, hidden)) - b)) for row, b in linear(head.excite)]
    channels, height, width = gallery.shape
    padded = F.pad(gallery, (1, 1, 1, 1)).tolist()
    out = torch.zeros(head.objectness.out_channels, height, width, dtype=torch.float64)
    weight, bias = head.conv.weight.tolist(), head.conv.bias.tolist()
    for y in range(height):
        for x in range(width):
            read = [
                max(
                    b
                    + sum(
                        w[c][i][j] * gate[c] * padded[c][y + i][x + j]
                        for c in range(channels)
                        for i in range(3)
                        for j in range(3)
                    ),
                    0,
                )
                for w, b in zip(weight, bias)
            ]
            for a in range(len(out)):
                last = head.objectness.weight[a].flatten().tolist()
                out[a, y, x] = head.objectness.bias[a].item() + sum(w * v for w, v in zip(last, read))
    return out


def linear(layer):
    return zip(layer.weight.tolist(), layer.bias.tolist())


def draw(number=2):
    generator = torch.Generator().manual_seed(1)
    shapes = (number, 4, 2, 2), (number, 4, 3, 4)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def test_equals_the_equations():
    head = build().double()
    query, gallery = draw()
    logits = head(query, gallery)
    for i in range(2):
        torch.testing.assert_close(logits[i], slow_logits(head, query[i], gallery[i]))


def test_gradients():
    head = build().double()
    inputs = [one.requires_grad_() for one in draw(1)]
    parameters = tuple(head.parameters())
    assert torch.autograd.gradcheck(lambda query, gallery, *_: head(query, gallery), (*inputs, *parameters))


def test_a_larger_roi_feature_is_averaged():
    head = build().double()
    query, gallery = draw()
    larger = query.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3)
    torch.testing.assert_close(head(larger, gallery), head(query, gallery))


@pytest.mark.parametrize("shared", [0, 1])
def test_one_image_shared_by_all_pairs(shared):
    head = build().double()
    maps = draw()
    maps[shared] = maps[shared][:1]
    found = head(*maps)
    maps[shared] = maps[shared].expand(2, -1, -1, -1)
    torch.testing.assert_close(found, head(*maps))


def test_default_widths_and_number_of_weights():
    head = QRPN(1024, 9)
    widths = {name: tuple(p.shape) for name, p in head.named_parameters() if name.endswith("weight")}
    assert widths == {
        "squeeze.weight": (64, 1024 * 49),
        "excite.weight": (1024, 64),
        "conv.weight": (512, 1024, 3, 3),
        "objectness.weight": (9, 512, 1, 1),
    }


def test_sum_of_probabilities_orders_the_boxes():
    torch.manual_seed(0)
    rpn, qrpn = 3 * torch.randn(2, 3, 4, 5), 3 * torch.randn(2, 3, 4, 5)
    found = add_objectness(rpn, qrpn).sigmoid()
    torch.testing.assert_close(2 * found, rpn.sigmoid() + qrpn.sigmoid())
    assert torch.equal(found.flatten().argsort(), (rpn.sigmoid() + qrpn.sigmoid()).flatten().argsort())
    assert torch.isfinite(add_objectness(torch.tensor([90.0, -200.0]), torch.tensor([90.0, -200.0])).sigmoid()).all()


def build_rpn(num=10_000):
    init_default_scope("mmpersonsearch")
    assigner = dict(
        type="mmdet.MaxIoUAssigner", pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3, match_low_quality=True
    )
    sampler = dict(type="mmdet.RandomSampler", num=num, pos_fraction=0.5, add_gt_as_proposals=False)
    cfg = ConfigDict(assigner=assigner, sampler=sampler, allowed_border=-1, pos_weight=-1)
    anchors = dict(type="mmdet.AnchorGenerator", scales=[2], ratios=[0.5, 1.0, 2.0], strides=[16])
    return MODELS.build(
        dict(type="mmdet.RPNHead", in_channels=4, feat_channels=4, anchor_generator=anchors, train_cfg=cfg)
    )


def draw_galleries():
    samples = []
    for boxes, ids in (([[8.0, 8, 40, 40], [56, 16, 88, 60]], [3, 7]), ([[30.0, 20, 60, 52]], [-1])):
        sample = DetDataSample(metainfo=dict(img_shape=SIZE, pad_shape=SIZE, batch_input_shape=SIZE))
        sample.gt_instances = InstanceData(
            bboxes=torch.tensor(boxes), labels=torch.zeros(len(ids)).long(), person_ids=torch.tensor(ids)
        )
        samples.append(sample)
    return samples


def test_loss_has_the_querys_person_as_the_only_positive():
    """Worked out by IoU, anchor by anchor: the other person is background, and so is all of a gallery without him."""
    torch.manual_seed(0)
    head, rpn = build(loss_weight=2.0), build_rpn()
    logits = torch.randn(2, 3, 4, 6, requires_grad=True)
    loss = head.loss(logits, rpn, draw_galleries(), torch.tensor([7, 7]))
    total, number = 0.0, 0
    (anchors,) = rpn.prior_generator.grid_priors([(4, 6)], device="cpu")
    flat = logits.permute(0, 2, 3, 1).reshape(2, -1)
    x1, y1, x2, y2 = anchors.T
    width = (x2.clamp(max=88) - x1.clamp(min=56)).clamp(min=0)
    height = (y2.clamp(max=60) - y1.clamp(min=16)).clamp(min=0)
    inter = width * height
    iou = inter / ((x2 - x1) * (y2 - y1) + 32 * 44 - inter)
    for pair, overlaps in ((0, iou), (1, torch.zeros_like(iou))):
        for anchor, overlap in enumerate(overlaps.tolist()):
            best = overlap == overlaps.max() and overlap >= 0.3
            if overlap >= 0.7 or best or overlap < 0.3:
                logit = flat[pair, anchor] if overlap >= 0.3 else -flat[pair, anchor]
                total, number = total - F.logsigmoid(logit), number + 1
    assert 0 < number < flat.numel()
    torch.testing.assert_close(loss, 2 * total / number)
    torch.testing.assert_close(torch.autograd.grad(loss, logits)[0], torch.autograd.grad(2 * total / number, logits)[0])


def test_loss_samples_as_the_rpn():
    head, rpn = build(), build_rpn(num=16)
    logits = torch.zeros(2, 3, 4, 6, requires_grad=True)
    loss = head.loss(logits, rpn, draw_galleries(), torch.tensor([3, 3]))
    torch.testing.assert_close(loss.item(), math.log(2))
    loss.backward()
    assert (logits.grad != 0).sum() == 32
