# I-Net (Zhang et al., "Tasks Integrated Networks") on VGG-16: conv1_1 to conv5_3 for RPN and RoIs, fc6 and fc7 on each
# RoI, and their output for box head and Re-ID head. A config passes it to model, on top of faster-rcnn_r50-c4.py, with
# num_ids. The weights are MMPretrain's: torchvision's have other names.
pretrained_vgg16 = "{{$VGG16_WEIGHTS:https://download.openmmlab.com/mmclassification/v0/vgg/vgg16_batch256_imagenet_20210208-db26f1a5.pth}}"
init_vgg16 = dict(type="Pretrained", checkpoint=pretrained_vgg16)
inet = dict(
    type="PersonSearchDetector",
    backbone=dict(
        _delete_=True,
        type="mmpretrain.VGG",
        depth=16,
        frozen_stages=2,
        with_last_pool=False,
        init_cfg=(
            dict(init_vgg16, prefix="backbone.") if pretrained_vgg16 != "none" else dict(type="Kaiming", layer="Conv2d")
        ),
    ),
    rpn_head=dict(in_channels=512),
    roi_head=dict(
        type="CoupledRoIHead",
        bbox_roi_extractor=dict(
            roi_layer=dict(_delete_=True, type="RoIPool", output_size=7),
            out_channels=512,
        ),
        shared_head=dict(
            _delete_=True,
            type="FCLayers",
            in_channels=512,
            roi_feat_size=(7, 7),
            init_cfg=dict(init_vgg16, prefix="backbone.classifier.") if pretrained_vgg16 != "none" else None,
        ),
        bbox_head=dict(in_channels=4096, roi_feat_size=1),
        reid_head=dict(
            type="PairReIDHead",
            num_ids=None,
            in_channels=4096,
            feat_channels=256,
            loss_pair=dict(type="OLPLoss", dictionary_size=40 * 128),
            loss_id=dict(type="HEPLoss"),
            pool_size=100,
            num_hardest=20,
        ),
    ),
    test_cfg=dict(rpn=dict(max_per_img=128)),
)
# MMPretrain's VGG freezes its stages in train() only, when DistributedDataParallel has already taken their parameters.
find_unused_parameters = True
