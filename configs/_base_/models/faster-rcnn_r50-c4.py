# The specialised detector (DET_50): OIM's detection part alone, with MMDetection's RoI head and conv5_x.
_base_ = "./oim_r50.py"

model = dict(
    type="PersonDetector",
    roi_head=dict(
        _delete_=True,
        type="mmdet.StandardRoIHead",
        bbox_roi_extractor=_base_.model.roi_head.bbox_roi_extractor,
        shared_head=_base_.model.roi_head.shared_head,
        bbox_head=_base_.model.roi_head.bbox_head,
    ),
)
