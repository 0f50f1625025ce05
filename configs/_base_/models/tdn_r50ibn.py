# TDN's student (Liu et al.): Part-1 for both tasks, a light box head, Part-2 and KTB for Re-ID.
# The leaf gives the teacher with its loss.
pretrained = (
    "{{$IBN_R50_WEIGHTS:https://github.com/XingangPan/IBN-Net/releases/download/v1.0/resnet50_ibn_a-d9d0bb7b.pth}}"
)
init_cfg = dict(type="Pretrained", checkpoint=pretrained)

model = dict(
    type="PersonSearchDetector",
    data_preprocessor=dict(
        type="mmdet.DetDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=8,
    ),
    backbone=dict(type="ResNetIBN", depth=50, stages=(1, 2), init_cfg=init_cfg),
    rpn_head=dict(
        type="mmdet.RPNHead",
        in_channels=512,
        feat_channels=256,
        anchor_generator=dict(type="mmdet.AnchorGenerator", scales=[4, 8, 16, 32], ratios=[1.0, 2.0, 3.0], strides=[8]),
        bbox_coder=dict(type="mmdet.DeltaXYWHBBoxCoder"),
        loss_cls=dict(type="mmdet.CrossEntropyLoss", use_sigmoid=True),
        loss_bbox=dict(type="mmdet.L1Loss"),
    ),
    roi_head=dict(
        type="DisentangledRoIHead",
        bbox_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=7, sampling_ratio=2),
            out_channels=512,
            featmap_strides=[8],
        ),
        bbox_head=dict(
            type="mmdet.Shared2FCBBoxHead",
            in_channels=512,
            fc_out_channels=1024,
            roi_feat_size=7,
            num_classes=1,
            bbox_coder=dict(type="mmdet.DeltaXYWHBBoxCoder", target_stds=[0.1, 0.1, 0.2, 0.2]),
            loss_cls=dict(type="mmdet.CrossEntropyLoss"),
            loss_bbox=dict(type="mmdet.L1Loss"),
        ),
        crop_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=(256, 128), sampling_ratio=0),
            out_channels=3,
            featmap_strides=[1],
        ),
        bridge=dict(type="KnowledgeTransferBridge", depth=50, init_cfg=init_cfg),
        reid_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=(32, 16), sampling_ratio=0),
            out_channels=512,
            featmap_strides=[8],
        ),
        part2=dict(type="ResNetIBN", depth=50, stages=(3, 4), init_cfg=init_cfg),
        reid_head=dict(
            type="SoftmaxReIDHead", in_channels=2048, num_ids=None, loss_id=dict(type="mmdet.CrossEntropyLoss")
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
        rpn_proposal=dict(nms_pre=2000, max_per_img=1000, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(
            assigner=dict(
                type="mmdet.MaxIoUAssigner",
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
                match_low_quality=False,
                ignore_iof_thr=0.5,
            ),
            sampler=dict(type="mmdet.RandomSampler", num=128, pos_fraction=0.5),
            pos_weight=-1,
        ),
    ),
    test_cfg=dict(
        rpn=dict(nms_pre=1000, max_per_img=128, nms=dict(type="nms", iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(score_thr=0.5, nms=dict(type="nms", iou_threshold=0.5), max_per_img=100),
    ),
)
