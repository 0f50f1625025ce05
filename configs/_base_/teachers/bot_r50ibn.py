# The strong Re-ID baseline (BoT, Luo et al.): last stride 1, BNNeck, label smoothing, triplet loss.
teacher_pretrained = (
    "{{$IBN_R50_WEIGHTS:https://github.com/XingangPan/IBN-Net/releases/download/v1.0/resnet50_ibn_a-d9d0bb7b.pth}}"
)
teacher = dict(
    type="mmdet.BaseReID",
    data_preprocessor=dict(
        type="mmdet.ReIDDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    backbone=dict(
        type="ResNetIBN",
        depth=50,
        last_stride=1,
        init_cfg=dict(type="Pretrained", checkpoint=teacher_pretrained),
    ),
    neck=dict(type="mmpretrain.GlobalAveragePooling"),
    head=dict(
        type="BNNeckReIDHead",
        num_ids=None,
        in_channels=2048,
        loss_id=dict(type="mmpretrain.LabelSmoothLoss", label_smooth_val=0.1, mode="original"),
        loss_triplet=dict(type="mmdet.TripletLoss", margin=0.3),
    ),
)
