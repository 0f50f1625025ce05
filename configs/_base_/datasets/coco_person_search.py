# Your own scenes in COCO's form (docs/guide/own_data.md). A child sets data_root and the files, to both loaders.
data_root = "data/own/"
num_ids = None  # counted in the training set, as the models' bases have it
queue_size = 500

train_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="LoadPersonSearchAnnotations"),
    dict(type="mmdet.Resize", scale=(960, 640), keep_ratio=True),
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(type="PackPersonSearchInputs"),
]
# The annotations are loaded after resizing: they stay in pixels of the original image, in which the metric works.
test_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(960, 640), keep_ratio=True),
    dict(type="LoadPersonSearchAnnotations", clip=False),
    dict(type="PackPersonSearchInputs"),
]

train_dataloader = dict(
    batch_size=16,
    num_workers=4,
    persistent_workers=False,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(
        type="CocoPersonSearchDataset",
        data_root=data_root,
        ann_file="train.json",
        data_prefix=dict(img_path="images"),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="CocoPersonSearchDataset",
        data_root=data_root,
        ann_file="test.json",
        query_file="test_queries.json",
        data_prefix=dict(img_path="images"),
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(
    type="PersonSearchMetric",
    rankings=[None, dict(type="RankingWithContextPersons")],
    det_thr=0.5,
    topk=(1, 5, 10),
)
test_evaluator = val_evaluator
