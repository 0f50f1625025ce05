# OIM's Re-ID part (Xiao et al., CVPR 2017): the box head and the Re-ID head read one feature. A config hands it to
# model, on top of faster-rcnn_r50-c4.py, with num_ids and queue_size.
oim = dict(
    type="PersonSearchDetector",
    roi_head=dict(
        type="CoupledRoIHead",
        reid_head=dict(
            type="OIMReIDHead",
            num_ids=None,
            in_channels=2048,
            feat_channels=256,
            loss_id=dict(type="OIMLoss", momentum=0.5, scale=10.0),
        ),
    ),
)
