# Crops of the synthetic set's labelled persons, at half the size of configs/_base_/datasets/crops.py.
data_root = "{{$SYNTH_REID_ROOT:data/synth_reid/}}"
num_ids = 150

train_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(64, 128), keep_ratio=False),
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(type="mmpretrain.RandomCrop", crop_size=(128, 64), padding=10),
    dict(type="mmpretrain.RandomErasing", erase_prob=0.5, fill_color=(104, 116, 124)),
    dict(type="PackReIDCrop", meta_keys=("flip", "flip_direction")),
]
test_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(64, 128), keep_ratio=False),
    dict(type="PackReIDCrop"),
]

# batch_size is the sampler's 12 identities x 4 images.
train_dataloader = dict(
    batch_size=48,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type="PKSampler", num_ids=12, num_instances=4),
    dataset=dict(
        type="mmdet.ReIDDataset",
        data_root=data_root,
        ann_file="train.txt",
        data_prefix=dict(img_path="train"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="mmdet.ReIDDataset",
        data_root=data_root,
        ann_file="test.txt",
        data_prefix=dict(img_path="test"),
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type="mmdet.ReIDMetrics", metric=["mAP", "CMC"])
test_evaluator = val_evaluator
