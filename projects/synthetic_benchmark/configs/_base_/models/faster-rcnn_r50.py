# DET_50 at the size of the synthetic set, see configs/_base_/models/faster-rcnn_r50-c4.py. RPN and RoIs are after
# conv3_x, as TDN's, and the ResNet is an IBN one: stride 16 is too coarse for persons of 41 to 148 pixels, and without
# instance norms nothing is learned in so short a schedule (notes/). oim_r18.py and inet_r18.py change it to ResNet-18.
# SYNTH_WEIGHTS: a checkpoint of a Re-ID model on the same backbone (bot_*_synth.py), in place of ImageNet's weights.
synth_weights = "{{$SYNTH_WEIGHTS:none}}"
synth_init = dict(type="Pretrained", checkpoint=synth_weights, prefix="backbone.") if synth_weights != "none" else None

model = dict(
    type="PersonDetector",
    data_preprocessor=dict(
        type="mmdet.DetDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=8,
    ),
    backbone=dict(
        type="ResNetIBN", depth=50, stages=(1, 2), ibn_stages=(1, 2, 3), norm_eval=False, init_cfg=synth_init
    ),
    rpn_head=dict(
        type="mmdet.RPNHead",
        in_channels=512,
        feat_channels=128,
        anchor_generator=dict(
            # Anchors of 24 to 104 pixels
            type="mmdet.AnchorGenerator",
            scales=[3, 5, 8, 13],
            ratios=[1.0, 2.0, 3.0],
            strides=[8],
        ),
        bbox_coder=dict(type="mmdet.DeltaXYWHBBoxCoder"),
        loss_cls=dict(type="mmdet.CrossEntropyLoss", use_sigmoid=True),
        loss_bbox=dict(type="mmdet.SmoothL1Loss", beta=1 / 9),
    ),
    roi_head=dict(
        type="mmdet.StandardRoIHead",
        bbox_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=(16, 8), sampling_ratio=1),
            out_channels=512,
            featmap_strides=[8],
        ),
        shared_head=dict(type="ResNetIBN", depth=50, stages=(3, 4), ibn_stages=(1, 2, 3), init_cfg=synth_init),
        bbox_head=dict(
            type="mmdet.BBoxHead",
            with_avg_pool=True,
            in_channels=2048,
            roi_feat_size=(4, 2),
            num_classes=1,
            bbox_coder=dict(type="mmdet.DeltaXYWHBBoxCoder", target_stds=[0.1, 0.1, 0.2, 0.2]),
            loss_cls=dict(type="mmdet.CrossEntropyLoss"),
            loss_bbox=dict(type="mmdet.SmoothL1Loss", beta=1.0),
        ),
    ),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type="mmdet.MaxIoUAssigner",
                pos_iou_thr=0.7,
                neg_iou_thr=0.3,
                min_pos_iou=0.3,
                match_low_quality=True,
                ignore_iof_thr=0.5,
            ),
            sampler=dict(type="mmdet.RandomSampler", num=256, pos_fraction=0.5, add_gt_as_proposals=False),
            allowed_border=-1,
            pos_weight=-1,
        ),
        rpn_proposal=dict(nms_pre=500, max_per_img=64, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(
            assigner=dict(
                type="mmdet.MaxIoUAssigner",
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
                match_low_quality=False,
                ignore_iof_thr=0.5,
            ),
            sampler=dict(type="mmdet.RandomSampler", num=16, pos_fraction=0.5),
            pos_weight=-1,
        ),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=500, max_per_img=64, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(score_thr=0.5, nms=dict(type="nms", iou_threshold=0.4), max_per_img=100),
    ),
)
