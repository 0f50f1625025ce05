# The specialised detector (DET_18); see faster-rcnn_r50-c4.py.
_base_ = "./oim_r18.py"

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
