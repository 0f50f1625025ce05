# OIM, its detector and its kin at the size of the synthetic set, as TDN's models there (tdn_r18ibn.py): at stride 16
# next to nothing of persons of 41 to 148 pixels is left, and without instance norms nothing is learnt in so short a
# schedule (projects/synthetic_benchmark/notes). So RPN and RoIs are behind conv3_x, and the ResNet is an IBN one.
# A leaf hands it to model. The channels are ResNet-18's.
_base_ = "./synth_weights.py"

ibn_stages = (1, 2, 3)
synth_size = dict(
    data_preprocessor=dict(pad_size_divisor=8),
    backbone=dict(stages=(1, 2), ibn_stages=ibn_stages, norm_eval=False, init_cfg=_base_.synth_init),
    rpn_head=dict(
        in_channels=128,
        feat_channels=128,
        # Anchors of 24 to 104 pixels
        anchor_generator=dict(scales=[3, 5, 8, 13], ratios=[1.0, 2.0, 3.0], strides=[8]),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(
            roi_layer=dict(output_size=(16, 8), sampling_ratio=1), out_channels=128, featmap_strides=[8]
        ),
        shared_head=dict(stages=(3, 4), ibn_stages=ibn_stages, init_cfg=_base_.synth_init),
        bbox_head=dict(roi_feat_size=(4, 2)),
    ),
    train_cfg=dict(
        rpn=dict(allowed_border=-1),
        rpn_proposal=dict(nms_pre=500, max_per_img=64),
        rcnn=dict(sampler=dict(num=16, pos_fraction=0.5)),
    ),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=64)),
)
