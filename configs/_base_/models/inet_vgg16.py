# I-Net (Zhang et al., "Tasks Integrated Networks") on VGG-16: conv1_1 to conv5_3 for RPN and RoIs, fc6 and fc7 on each
# RoI, and their output for box head and Re-ID head. The rest is as in oim_r50.py. The weights are MMPretrain's:
# torchvision's have other names.
_base_ = ["./oim_r50.py", "./inet_head.py"]

pretrained = "{{$VGG16_WEIGHTS:https://download.openmmlab.com/mmclassification/v0/vgg/vgg16_batch256_imagenet_20210208-db26f1a5.pth}}"
init_cfg = dict(type="Pretrained", checkpoint=pretrained)
from_scratch = pretrained == "none"
model = dict(
    backbone=dict(
        _delete_=True,
        type="mmpretrain.VGG",
        depth=16,
        frozen_stages=2,
        with_last_pool=False,
        init_cfg=dict(type="Kaiming", layer="Conv2d") if from_scratch else dict(init_cfg, prefix="backbone."),
    ),
    rpn_head=dict(in_channels=512),
    roi_head=dict(
        bbox_roi_extractor=dict(
            roi_layer=dict(_delete_=True, type="RoIPool", output_size=7),
            out_channels=512,
        ),
        shared_head=dict(
            _delete_=True,
            type="FCLayers",
            in_channels=512,
            roi_feat_size=(7, 7),
            init_cfg=None if from_scratch else dict(init_cfg, prefix="backbone.classifier."),
        ),
        bbox_head=dict(in_channels=4096, roi_feat_size=1),
        reid_head=dict(_delete_=True, in_channels=4096, **_base_.reid_head),
    ),
)
# MMPretrain's VGG freezes its stages in train() only, when DistributedDataParallel has already taken their parameters.
find_unused_parameters = True
