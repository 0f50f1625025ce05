# OIM on ResNet-18 at the size of the synthetic set: overrides of faster-rcnn_r50.py. A config passes it to model,
# with num_ids and queue_size.
oim = dict(
    type="PersonSearchDetector",
    backbone=dict(depth=18),
    rpn_head=dict(in_channels=128),
    roi_head=dict(
        type="CoupledRoIHead",
        bbox_roi_extractor=dict(out_channels=128),
        shared_head=dict(depth=18),
        bbox_head=dict(in_channels=512),
        reid_head=dict(
            type="OIMReIDHead",
            num_ids=None,
            in_channels=512,
            feat_channels=256,
            loss_id=dict(type="OIMLoss", momentum=0.5, scale=30.0),
        ),
    ),
)
