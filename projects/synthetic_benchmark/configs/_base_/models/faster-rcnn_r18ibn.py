# Faster R-CNN at the size of the synthetic set: TDN's detection part alone (tdn_r18ibn.py).
_base_ = "../../../../../configs/_base_/models/tdn_r50ibn.py"

synth_weights = "{{$SYNTH_WEIGHTS:none}}"
synth_init = dict(type="Pretrained", checkpoint=synth_weights, prefix="backbone.") if synth_weights != "none" else None
parts = _base_.model.roi_head
model = dict(
    type="PersonDetector",
    backbone=dict(depth=18, init_cfg=synth_init),
    rpn_head=dict(in_channels=128, feat_channels=128, anchor_generator=dict(scales=[3, 5, 8, 13])),
    roi_head=dict(
        _delete_=True,
        type="mmdet.StandardRoIHead",
        bbox_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=1),
            out_channels=128,
            featmap_strides=[8],
        ),
        bbox_head=dict(parts.bbox_head, in_channels=128, fc_out_channels=256),
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=500, max_per_img=64), rcnn=dict(sampler=dict(num=32))),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=64)),
)
# How a two-step model cuts crops for Re-ID: as TDN for its teacher.
crop_extractor = dict(parts.crop_extractor, roi_layer=dict(type="RoIAlign", output_size=(128, 64), sampling_ratio=2))
# The test pipeline of a two-step model, which resizes for its detector itself.
picture_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="LoadPersonSearchAnnotations", clip=False),
    dict(type="PackPersonSearchInputs"),
]
