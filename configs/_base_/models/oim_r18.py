# OIM on ResNet-18: what makes it of faster-rcnn_r50-c4.py, see oim_r50.py.
pretrained_r18 = "{{$R18_WEIGHTS:https://download.pytorch.org/models/resnet18-f37072fd.pth}}"
init_r18 = dict(type="Pretrained", checkpoint=pretrained_r18)
oim = dict(
    type="PersonSearchDetector",
    backbone=dict(depth=18, norm_eval=pretrained_r18 != "none", init_cfg=init_r18),
    rpn_head=dict(in_channels=256),
    roi_head=dict(
        type="CoupledRoIHead",
        bbox_roi_extractor=dict(out_channels=256),
        shared_head=dict(depth=18, init_cfg=init_r18),
        bbox_head=dict(in_channels=512),
        reid_head=dict(
            type="OIMReIDHead",
            num_ids=None,
            in_channels=512,
            feat_channels=256,
            loss_id=dict(type="OIMLoss", momentum=0.5, scale=10.0),
        ),
    ),
)
