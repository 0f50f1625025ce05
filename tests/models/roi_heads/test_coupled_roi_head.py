import torch
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from tiny_models import build_model, draw_batch


def test_each_detection_has_the_embedding_of_its_own_roi():
    model = build_model("_oim-star").eval()
    head = model.roi_head
    # Boxes stay where the proposals are, so that a detection tells which RoI it came from.
    for parameter in head.bbox_head.fc_reg.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.normal_(head.bbox_head.fc_cls.weight)
    head.test_cfg.score_thr, head.test_cfg.nms.iou_threshold = 0.0, 1.0
    images, samples = draw_batch([4, 3], num_queries=[1, 0])
    proposals = [
        InstanceData(bboxes=sample.gt_instances.bboxes, scores=torch.ones(len(sample.gt_instances.bboxes)))
        for sample in samples
    ]
    with torch.no_grad():
        x = model.extract_feat(images)
        found = head.predict_boxes(x, proposals, samples)
        assert [len(one) for one in found] == [4, 3]
        boxes = [one.bboxes for one in found]
        expected = head.embed_boxes(x, bbox2roi(boxes), images)
        at_priors = head.embed_boxes(x, bbox2roi([one.priors for one in found]), images)
    assert any(not torch.allclose(box, one.bboxes) for box, one in zip(boxes, proposals))  # sorted by score
    torch.testing.assert_close(torch.cat([one.reid_feats for one in found]), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(at_priors, expected, atol=1e-4, rtol=0)
    assert (expected @ expected.T).fill_diagonal_(0).max() < 0.9999  # no two alike, else the order would not show
