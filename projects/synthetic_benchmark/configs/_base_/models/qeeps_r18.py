# QEEPS on ResNet-18 at the size of the synthetic set: overrides of faster-rcnn_r50.py. A config passes qeeps to model,
# with num_ids and queue_size, and oim_weights to load_from: it starts from OIM_18 trained there, as the authors' does.
# OIM_CHECKPOINT=none starts from faster-rcnn_r50.py's weights.
oim_checkpoint = "{{$OIM_CHECKPOINT:work_dirs/oim_r18_synth-mini/iter_400.pth}}"
oim_weights = oim_checkpoint if oim_checkpoint != "none" else None
qeeps = dict(
    type="QEEPSDetector",
    backbone=dict(depth=18),
    qsse=dict(type="QSSE", reduction=16),
    rpn_head=dict(in_channels=128),
    qrpn=dict(type="QRPN", roi_feat_size=(8, 4), gate_channels=16, feat_channels=128),
    roi_head=dict(
        type="QueryGuidedRoIHead",
        bbox_roi_extractor=dict(out_channels=128),
        shared_head=dict(depth=18),
        bbox_head=dict(in_channels=512),
        qsimnet=dict(type="QSimNet"),
        reid_head=dict(
            type="OIMReIDHead",
            num_ids=None,
            in_channels=512,
            feat_channels=256,
            loss_id=dict(type="OIMLoss", momentum=0.5, scale=30.0),
        ),
    ),
)
