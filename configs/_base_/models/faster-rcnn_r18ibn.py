# Faster R-CNN at the size of the synthetic set; see tdn_r18ibn.py.
_base_ = "./tdn_r18ibn.py"

model = dict(
    type="PersonDetector",
    roi_head=dict(
        _delete_=True,
        type="mmdet.StandardRoIHead",
        bbox_roi_extractor=_base_.model.roi_head.bbox_roi_extractor,
        bbox_head=_base_.model.roi_head.bbox_head,
    ),
)
# How a two-step model cuts crops for Re-ID: as TDN for its teacher.
crop_extractor = _base_.model.roi_head.crop_extractor
