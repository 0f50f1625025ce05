# Crops of persons, written by `mmpersonsearch crop` or your own: train/, test/, train.txt, test.txt. A child sets
# data_root, to both loaders.
data_root = "data/own_reid/"
num_ids = None  # counted in the training set, as the models' bases have it

# The strong baseline's augmentation (Luo et al., "Bag of Tricks and A Strong Baseline for Deep Person
# Re-Identification", 2019): flip, pad by 10 pixels and crop, erase with ImageNet's mean (blue, green, red).
train_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(128, 256), keep_ratio=False),
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(type="mmpretrain.RandomCrop", crop_size=(256, 128), padding=10),
    dict(type="mmpretrain.RandomErasing", erase_prob=0.5, fill_color=(104, 116, 124)),
    dict(type="PackReIDCrop", meta_keys=("flip", "flip_direction")),
]
test_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(128, 256), keep_ratio=False),
    dict(type="PackReIDCrop"),
]

# batch_size is the sampler's 16 identities x 4 images.
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=False,
    drop_last=True,
    sampler=dict(type="PKSampler", num_ids=16, num_instances=4),
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
    num_workers=4,
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
