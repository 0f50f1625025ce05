# The drawn tattoos of tools/make_tattoos.py at its default size. No photo is mirrored: a mirrored tattoo is another
# one.
data_root = "{{$TATTOO_SYNTH_ROOT:data/tattoo_synth/}}"
num_ids = 150
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
    dict(type="mmdet.Resize", scale=(256, 192), keep_ratio=True),
    dict(type="mmdet.RandomFlip", prob=0.0),
    dict(type="PackPersonSearchInputs"),
]
test_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(256, 192), keep_ratio=True),
    dict(type="LoadPersonSearchAnnotations", clip=False),
    dict(type="PackPersonSearchInputs"),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(**tattoos, ann_file="train.json", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        **tattoos,
        ann_file="test.json",
        query_file="test_queries.json",
        cross_camera=False,
        pipeline=test_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type="PersonSearchMetric", rankings=[None], det_thr=0.5, topk=(1, 5, 10))
test_evaluator = val_evaluator
