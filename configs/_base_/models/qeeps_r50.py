# QEEPS on ResNet-50 (Munjal et al., CVPR 2019): OIM_50 with gates after each block of the base, the QRPN and
# QSimNet. A config passes it to model, on top of faster-rcnn_r50-c4.py, with num_ids and queue_size.
qeeps = dict(
    type="QEEPSDetector",
    qsse=dict(type="QSSE", reduction=16),
    qrpn=dict(type="QRPN", roi_feat_size=7, gate_channels=64, feat_channels=512),
    roi_head=dict(
        type="QueryGuidedRoIHead",
        qsimnet=dict(type="QSimNet"),
        reid_head=dict(
            type="OIMReIDHead",
            num_ids=None,
            in_channels=2048,
            feat_channels=256,
            loss_id=dict(type="OIMLoss", momentum=0.5, scale=10.0),
        ),
    ),
)
