# OIM on ResNet-18 for tattoos: overrides of the synthetic benchmark's faster-rcnn_r50.py. Tattoos are about as
# wide as high: RoIs of 12x12 and anchors of these shapes, of 32 to 136 pixels, where persons have 16x8 and upright
# ones.
oim = dict(
    type="PersonSearchDetector",
    backbone=dict(depth=18),
    rpn_head=dict(in_channels=128, anchor_generator=dict(scales=[4, 7, 11, 17], ratios=[0.5, 1.0, 2.0])),
    roi_head=dict(
        type="CoupledRoIHead",
        bbox_roi_extractor=dict(roi_layer=dict(output_size=12), out_channels=128),
        shared_head=dict(depth=18),
        bbox_head=dict(in_channels=512, roi_feat_size=3),
        reid_head=dict(
            type="OIMReIDHead",
            num_ids=None,
            in_channels=512,
            feat_channels=256,
            loss_id=dict(type="OIMLoss", momentum=0.5, scale=30.0),
        ),
    ),
)
