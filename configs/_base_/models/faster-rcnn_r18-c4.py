# DET_18: see faster-rcnn_r50-c4.py.
_base_ = "./faster-rcnn_r50-c4.py"

pretrained = "{{$R18_WEIGHTS:https://download.pytorch.org/models/resnet18-f37072fd.pth}}"
init_cfg = dict(type="Pretrained", checkpoint=pretrained)
model = dict(
    backbone=dict(depth=18, norm_eval=pretrained != "none", init_cfg=init_cfg),
    rpn_head=dict(in_channels=256),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=256),
        shared_head=dict(depth=18, init_cfg=init_cfg),
        bbox_head=dict(in_channels=512),
    ),
)
