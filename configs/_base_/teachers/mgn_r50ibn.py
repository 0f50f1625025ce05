# MGN (Wang et al.): a global and two part branches, 8 features of 256 channels, softmax and triplet loss.
# The leaf gives num_ids.
_base_ = "./bot_r50ibn.py"

teacher = dict(
    backbone=dict(
        _delete_=True,
        type="MultiGranularityResNetIBN",
        depth=50,
        init_cfg=dict(type="Pretrained", checkpoint=_base_.teacher_pretrained),
    ),
    neck=None,
    head=dict(
        _delete_=True,
        type="MGNReIDHead",
        in_channels=2048,
        feat_channels=256,
        loss_id=dict(type="mmdet.CrossEntropyLoss"),
        loss_triplet=dict(type="mmdet.TripletLoss", margin=1.2),
    ),
)
