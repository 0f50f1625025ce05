# OIM on ResNet-18; see oim_r50.py.
_base_ = "./oim_r50.py"

pretrained = "{{$R18_WEIGHTS:https://download.pytorch.org/models/resnet18-f37072fd.pth}}"
init_cfg = dict(type="Pretrained", checkpoint=pretrained)
model = dict(
    backbone=dict(depth=18, norm_eval=pretrained != "none", init_cfg=init_cfg),
    rpn_head=dict(in_channels=256),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=256),
        shared_head=dict(depth=18, init_cfg=init_cfg),
        bbox_head=dict(in_channels=512),
        reid_head=dict(in_channels=512),
    ),
)
