# DC-I-Net on VGG-16: fc6 and fc7 on the proposals for detection, as in I-Net, and other fully connected layers on the
# refined boxes for Re-ID, whose shape has no pretrained weights. A config passes it to model, on top of
# faster-rcnn_r50-c4.py, with num_ids.
pretrained_vgg16 = "{{$VGG16_WEIGHTS:https://download.openmmlab.com/mmclassification/v0/vgg/vgg16_batch256_imagenet_20210208-db26f1a5.pth}}"
init_vgg16 = dict(type="Pretrained", checkpoint=pretrained_vgg16)
dc_inet = dict(
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
        _delete_=True,
        type="DisentangledRoIHead",
        bbox_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIPool", output_size=7),
            out_channels=512,
            featmap_strides=[16],
        ),
        shared_head=dict(
            type="FCLayers",
            in_channels=512,
            roi_feat_size=(7, 7),
            init_cfg=dict(init_vgg16, prefix="backbone.classifier.") if pretrained_vgg16 != "none" else None,
        ),
        bbox_head=dict(
            type="mmdet.BBoxHead",
            with_avg_pool=True,
            in_channels=4096,
            roi_feat_size=1,
            num_classes=1,
            bbox_coder=dict(type="mmdet.DeltaXYWHBBoxCoder", target_stds=[0.1, 0.1, 0.2, 0.2]),
            loss_cls=dict(type="mmdet.CrossEntropyLoss"),
            loss_bbox=dict(type="mmdet.SmoothL1Loss", beta=1.0),
        ),
        reid_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=(14, 7), sampling_ratio=2),
            out_channels=512,
            featmap_strides=[16],
        ),
        part2=dict(type="FCLayers", in_channels=512, roi_feat_size=(14, 7)),
        reid_head=dict(
            type="PairReIDHead",
            num_ids=None,
            in_channels=4096,
            feat_channels=256,
            loss_pair=dict(type="OLPLoss", dictionary_size=40 * 128),
            loss_id=dict(type="C2HEPLoss"),
            pool_size=100,
            num_hardest=20,
        ),
    ),
    test_cfg=dict(rpn=dict(max_per_img=128)),
)
# MMPretrain's VGG freezes its stages in train() only, when DistributedDataParallel has already taken their parameters.
find_unused_parameters = True
