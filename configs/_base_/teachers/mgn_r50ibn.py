# MGN (Wang et al.): a global and two part branches, 8 features of 256 channels, softmax and triplet loss.
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
        type="MultiGranularityResNetIBN",
        depth=50,
        init_cfg=dict(type="Pretrained", checkpoint=teacher_pretrained),
    ),
    neck=None,
    head=dict(
        type="MGNReIDHead",
        num_ids=None,
        in_channels=2048,
        feat_channels=256,
        loss_id=dict(type="mmdet.CrossEntropyLoss"),
        loss_triplet=dict(type="mmdet.TripletLoss", margin=1.2),
    ),
)
