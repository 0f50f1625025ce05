# DET_50: Faster R-CNN as OIM has it (Xiao et al., CVPR 2017, on ResNet-50 as Munjal et al., BMVC 2019): conv1 to
# conv4_x for RPN and RoIs, conv5_x on each RoI. With oim_r50.py or oim_r18.py it becomes OIM's model.
pretrained = "{{$R50_WEIGHTS:https://download.pytorch.org/models/resnet50-0676ba61.pth}}"
init_cfg = dict(type="Pretrained", checkpoint=pretrained)

model = dict(
    type="PersonDetector",
    data_preprocessor=dict(
        type="mmdet.DetDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=16,
    ),
    # Norms keep the statistics of the pretrained weights, as in Xiao et al.'s code.
    backbone=dict(
        type="ResNetIBN", depth=50, stages=(1, 2, 3), ibn_stages=(), norm_eval=pretrained != "none", init_cfg=init_cfg
    ),
    rpn_head=dict(
        type="mmdet.RPNHead",
        in_channels=1024,
        feat_channels=512,
        anchor_generator=dict(type="mmdet.AnchorGenerator", scales=[8, 16, 32], ratios=[0.5, 1.0, 2.0], strides=[16]),
        bbox_coder=dict(type="mmdet.DeltaXYWHBBoxCoder"),
        loss_cls=dict(type="mmdet.CrossEntropyLoss", use_sigmoid=True),
        loss_bbox=dict(type="mmdet.SmoothL1Loss", beta=1 / 9),
    ),
    roi_head=dict(
        type="mmdet.StandardRoIHead",
        bbox_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=14, sampling_ratio=2),
            out_channels=1024,
            featmap_strides=[16],
        ),
        shared_head=dict(type="ResNetIBN", depth=50, stages=(4,), ibn_stages=(), init_cfg=init_cfg),
        bbox_head=dict(
            type="mmdet.BBoxHead",
            with_avg_pool=True,
            in_channels=2048,
            roi_feat_size=7,
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
            allowed_border=0,
            pos_weight=-1,
        ),
        rpn_proposal=dict(nms_pre=12000, max_per_img=2000, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(
            assigner=dict(
                type="mmdet.MaxIoUAssigner",
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
                match_low_quality=False,
                ignore_iof_thr=0.5,
            ),
            sampler=dict(type="mmdet.RandomSampler", num=128, pos_fraction=0.25),
            pos_weight=-1,
        ),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=6000, max_per_img=300, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(score_thr=0.5, nms=dict(type="nms", iou_threshold=0.4), max_per_img=100),
    ),
)
