# OIM and its detector at the size of the synthetic set (see tdn_r18ibn.py). A leaf hands it to model.
# RoIs of 8x4 at stride 16, for TDN's 16x8 at stride 8.
_base_ = "./synth_weights.py"

synth_size = dict(
    backbone=dict(init_cfg=_base_.synth_init, norm_eval=False),
    # Anchors of 24 to 104 pixels, as TDN's there.
    rpn_head=dict(feat_channels=128, anchor_generator=dict(scales=[1.5, 2.5, 4, 6.5], ratios=[1.0, 2.0, 3.0])),
    roi_head=dict(
        bbox_roi_extractor=dict(roi_layer=dict(output_size=(8, 4), sampling_ratio=1)),
        shared_head=dict(init_cfg=_base_.synth_init),
        bbox_head=dict(roi_feat_size=(4, 2)),
    ),
    train_cfg=dict(
        rpn=dict(allowed_border=-1),
        rpn_proposal=dict(nms_pre=500, max_per_img=64),
        rcnn=dict(sampler=dict(num=32, pos_fraction=0.5)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=64)),
)
