# MGN at the size of the synthetic set: 8 features of 64 channels, as wide together as the student's embedding.
_base_ = "./bot_r18ibn.py"

teacher = dict(
    backbone=dict(_delete_=True, type="MultiGranularityResNetIBN", depth=18, init_cfg=None),
    neck=None,
    head=dict(
        _delete_=True,
        type="MGNReIDHead",
        num_ids=None,
        in_channels=512,
        feat_channels=64,
        loss_id=dict(type="mmdet.CrossEntropyLoss"),
        loss_triplet=dict(type="mmdet.TripletLoss", margin=1.2),
    ),
)
