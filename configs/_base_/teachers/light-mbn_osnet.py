# LightMBN (Herzog et al.) on OSNet x1.0: three branches, 7 embeddings of 512 channels, softmax and triplet loss.
# The weights are torchreid's, trained on ImageNet.
teacher_pretrained = (
    "{{$OSNET_WEIGHTS:https://huggingface.co/CondadosAI/osnet-trackers/resolve/main/osnet_x1_0_imagenet.pth}}"
)
teacher = dict(
    type="LightMBN",
    mirrored=True,
    data_preprocessor=dict(
        type="mmdet.ReIDDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True,
    ),
    backbone=dict(type="MultiBranchOSNet", width=1.0, init_cfg=dict(type="Pretrained", checkpoint=teacher_pretrained)),
    head=dict(
        type="LightMBNReIDHead",
        num_ids=None,
        in_channels=512,
        feat_channels=512,
        loss_id=dict(type="mmpretrain.LabelSmoothLoss", label_smooth_val=0.1, mode="original"),
        loss_triplet=dict(type="mmdet.TripletLoss", margin=0.7),
    ),
)
