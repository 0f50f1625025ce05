# PETS 2009 S2.L1, view 1, as COCO-style annotations (README.md): frames of 768x576, here 512x384.
data_root = "{{$PETS09_ROOT:data/pets09/}}"
num_ids = None  # counted in the training set
queue_size = 100
scenes = dict(type="CocoPersonSearchDataset", data_root=data_root, data_prefix=dict(img_path="images"))

train_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="LoadPersonSearchAnnotations"),
    dict(type="mmdet.Resize", scale=(512, 384), keep_ratio=True),
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(type="PackPersonSearchInputs"),
]
test_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(512, 384), keep_ratio=True),
    dict(type="LoadPersonSearchAnnotations", clip=False),
    dict(type="PackPersonSearchInputs"),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(**scenes, ann_file="train_all_ids.json", pipeline=train_pipeline),
)
val_dataloader = val_evaluator = None
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(**scenes, ann_file="test.json", query_file="test_queries_all_ids.json", pipeline=test_pipeline),
)
test_evaluator = dict(
    type="PersonSearchMetric",
    rankings=[None, dict(type="RankingWithContextPersons")],
    det_thr=0.5,
    topk=(1, 5, 10),
)
