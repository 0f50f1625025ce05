# AGW (Ye et al.): BoT with non-local blocks, generalized-mean pooling and the weighted regularized triplet loss.
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
        type="NonLocalResNetIBN",
        depth=50,
        last_stride=1,
        num_non_local=(0, 2, 3, 0),
        init_cfg=dict(type="Pretrained", checkpoint=teacher_pretrained),
    ),
    neck=dict(type="mmpretrain.GeneralizedMeanPooling"),
    head=dict(
        type="BNNeckReIDHead",
        num_ids=None,
        in_channels=2048,
        loss_id=dict(type="mmpretrain.LabelSmoothLoss", label_smooth_val=0.1, mode="original"),
        loss_triplet=dict(type="WeightedRegularizedTripletLoss"),
    ),
)
