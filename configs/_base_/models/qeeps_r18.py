# QEEPS on ResNet-18 (Munjal et al., CVPR 2019): OIM_18 with gates after each block of the base, the QRPN and
# QSimNet. A config passes it to model, on top of faster-rcnn_r50-c4.py, with num_ids and queue_size.
pretrained_r18 = "{{$R18_WEIGHTS:https://download.pytorch.org/models/resnet18-f37072fd.pth}}"
init_r18 = dict(type="Pretrained", checkpoint=pretrained_r18)
qeeps = dict(
    type="QEEPSDetector",
    backbone=dict(depth=18, norm_eval=pretrained_r18 != "none", init_cfg=init_r18),
    qsse=dict(type="QSSE", reduction=16),
    rpn_head=dict(in_channels=256),
    qrpn=dict(type="QRPN", roi_feat_size=7, gate_channels=16, feat_channels=512),
    roi_head=dict(
        type="QueryGuidedRoIHead",
        bbox_roi_extractor=dict(out_channels=256),
        shared_head=dict(depth=18, init_cfg=init_r18),
        bbox_head=dict(in_channels=512),
        qsimnet=dict(type="QSimNet"),
        reid_head=dict(
            type="OIMReIDHead",
            num_ids=None,
            in_channels=512,
            feat_channels=256,
            loss_id=dict(type="OIMLoss", momentum=0.5, scale=10.0),
        ),
    ),
)
