# Faster R-CNN: TDN's detection part alone, with MMDetection's RoI head.
_base_ = "./tdn_r50ibn.py"

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
# The test pipeline of a two-step model, which resizes for its detector itself.
picture_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="LoadPersonSearchAnnotations", clip=False),
    dict(type="PackPersonSearchInputs"),
]
