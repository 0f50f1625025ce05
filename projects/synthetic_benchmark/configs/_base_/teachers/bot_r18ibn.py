# BoT at the size of the synthetic set, see configs/_base_/teachers/bot_r50ibn.py.
teacher = dict(
    type="mmdet.BaseReID",
    data_preprocessor=dict(
        type="mmdet.ReIDDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    backbone=dict(type="ResNetIBN", depth=18, last_stride=1, init_cfg=None),
    neck=dict(type="mmpretrain.GlobalAveragePooling"),
    head=dict(
        type="BNNeckReIDHead",
        num_ids=None,
        in_channels=512,
        loss_id=dict(type="mmpretrain.LabelSmoothLoss", label_smooth_val=0.1, mode="original"),
        loss_triplet=dict(type="mmdet.TripletLoss", margin=0.3),
    ),
)
