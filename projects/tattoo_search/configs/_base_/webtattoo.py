# WebTattoo (Han et al., TPAMI 2019) in COCO's form, see the README: 1,428 training images, 200 queries in 200 images
# (camera 1), a gallery of 355 images (camera 2).
data_root = "{{$WEBTATTOO_ROOT:data/webtattoo/}}"
num_ids = 400
queue_size = 500
tattoos = dict(
    type="CocoPersonSearchDataset",
    data_root=data_root,
    data_prefix=dict(img_path="images"),
    metainfo=dict(classes=("tattoo",), palette=[(0, 114, 178)]),
)

train_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="LoadPersonSearchAnnotations"),
    dict(type="mmdet.Resize", scale=(1000, 600), keep_ratio=True),
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(type="PackPersonSearchInputs"),
]
test_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(1000, 600), keep_ratio=True),
    dict(type="LoadPersonSearchAnnotations", clip=False),
    dict(type="PackPersonSearchInputs"),
]

train_dataloader = dict(
    batch_size=2,
    num_workers=4,
    persistent_workers=False,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(**tattoos, ann_file="train.json", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        **tattoos,
        ann_file="test.json",
        query_file="test_queries.json",
        cross_camera=True,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type="PersonSearchMetric", rankings=[None], det_thr=0.5, topk=(1, 5, 10))
test_evaluator = val_evaluator
