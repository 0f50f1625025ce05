import mmcv.ops
import pytest
import roi_references
import torch

import mmpersonsearch.models  # noqa: F401  (before mmcv.ops is used)
from mmpersonsearch.ops import nms as module
from mmpersonsearch.ops.nms import nms


@pytest.fixture(params=["own", "torchvision"], autouse=True)
def implementation(request, monkeypatch):
    """Tensor operations, also where torchvision's operator is loaded; and that, where it is."""
    if request.param == "own":
        monkeypatch.setattr(module, "_torchvision_has_nms", lambda device: False)
    elif not module._torchvision_has_nms("cpu"):
        pytest.skip("torchvision's operators are not loaded")


def draw(number, seed=0, dtype=torch.float32):
    """Boxes in clusters, so that chains of overlaps arise; integers, so that areas are exact."""
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randint(0, 300, (max(number // 8, 1), 2), generator=generator)
    corners = centers[torch.randint(len(centers), (number,), generator=generator)]
    corners = corners + torch.randint(-12, 13, (number, 2), generator=generator)
    sides = torch.randint(20, 60, (number, 2), generator=generator)
    return torch.cat((corners, corners + sides), 1).to(dtype), torch.rand(number, generator=generator).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("number", [1, 5, 128, 129, 400])
def test_is_the_definition(number, threshold, offset, dtype):
    boxes, scores = draw(number, dtype=dtype)
    expected = roi_references.nms(boxes.double(), scores, threshold, offset)
    assert nms(boxes, scores, threshold, offset).tolist() == expected
    if dtype == torch.float64:  # of which a compiled MMCV knows nothing
        return
    dets, kept = mmcv.ops.nms(boxes, scores, threshold, offset)
    assert kept.tolist() == expected
    assert torch.equal(dets, torch.cat((boxes, scores[:, None]), 1)[kept])


def test_a_chain_over_many_blocks_is_settled():
    """Each box overlaps its neighbours only: every second one is kept, one decision after the other."""
    start = torch.arange(1000.0)
    boxes = torch.stack((start * 10, start * 0, start * 10 + 15, start * 0 + 10), 1)
    kept = nms(boxes, -start, 0.1)
    assert kept.tolist() == list(range(0, 1000, 2))


def test_equal_scores_keep_their_order():
    boxes, _ = draw(300)
    scores = torch.randint(3, (300,), generator=torch.Generator().manual_seed(1)) / 4
    assert nms(boxes, scores, 0.5).tolist() == roi_references.nms(boxes, scores, 0.5)
    same = torch.zeros(50, 4) + torch.tensor([0, 0, 10.0, 10])
    assert nms(same, torch.ones(50), 0.5).tolist() == [0]


def test_a_box_at_the_threshold_is_kept():
    boxes = torch.tensor([[0, 0, 10.0, 10], [0, 0, 10, 5]])  # IoU 0.5
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.5).tolist() == [0, 1]
    assert nms(boxes, torch.tensor([0.9, 0.8]), 0.49).tolist() == [0]
    for threshold in (0.3, 0.7):  # which float32 does not hold
        side = torch.tensor(threshold) * 10
        boxes = torch.tensor([[0, 0, 1.0, 10], [0, 0, 1, side]])
        assert nms(boxes, torch.tensor([0.9, 0.8]), threshold).tolist() == [0, 1]


def test_nothing_and_boxes_without_area():
    assert nms(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []
    dets, kept = mmcv.ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert dets.shape == (0, 5) and kept.dtype == torch.int64
    points = torch.tensor([[5.0, 5, 5, 5], [5, 5, 5, 5], [0, 0, 10, 10]])
    assert nms(points, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 1, 2]


def test_classes_and_score_threshold_of_mmcv():
    boxes, scores = draw(200)
    classes = torch.arange(200) % 3
    _, kept = mmcv.ops.batched_nms(boxes, scores, classes, dict(type="nms", iou_threshold=0.5))
    expected = [i for c in range(3) for i in _of_class(boxes, scores, classes, c)]
    assert sorted(kept.tolist()) == sorted(expected)
    _, kept = mmcv.ops.nms(boxes, scores, 0.5, score_threshold=0.4, max_num=7)
    assert kept.tolist() == [i for i in roi_references.nms(boxes, scores, 0.5) if scores[i] > 0.4][:7]


def _of_class(boxes, scores, classes, wanted):
    members = (classes == wanted).nonzero().squeeze(1)
    return members[roi_references.nms(boxes[members], scores[members], 0.5)].tolist()
