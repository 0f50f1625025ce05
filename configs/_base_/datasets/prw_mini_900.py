# PRW-mini: PRW, tested on 30 queries in all 6,112 test frames but their own. The short side of an image 900 pixels, the
# long side 1500 at most, two images per iteration. docs/concepts/protocol.md says where the file of queries is.
data_root = "{{$PRW_ROOT:data/PRW/}}"
num_ids = 483
queue_size = 500

train_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="LoadPersonSearchAnnotations"),
    dict(type="mmdet.Resize", scale=(1500, 900), keep_ratio=True),
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(type="PackPersonSearchInputs"),
]
# The annotations are loaded after resizing: they stay in pixels of the original image, in which the metric works.
test_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(1500, 900), keep_ratio=True),
    dict(type="LoadPersonSearchAnnotations", clip=False),
    dict(type="PackPersonSearchInputs"),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=False,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(type="PRWDataset", data_root=data_root, split="train", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="PRWDataset",
        data_root=data_root,
        split="test",
        query_file="prwmini_query_info.txt",
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
