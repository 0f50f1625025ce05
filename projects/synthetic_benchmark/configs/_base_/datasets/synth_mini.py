# The synthetic set, tested on its mini protocol: a query of each test identity, each in 40 scenes of its own. A set
# drawn before there was one gets it by `python -m projects.synthetic_benchmark.generator.mini`.
data_root = "{{$SYNTH_ROOT:data/synth/}}"
num_ids = 150
queue_size = 500

train_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="LoadPersonSearchAnnotations"),
    dict(type="mmdet.Resize", scale=(336, 192), keep_ratio=True),
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(type="PackPersonSearchInputs"),
]
# The annotations are loaded after resizing: they stay in pixels of the original image, in which the metric works.
test_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(336, 192), keep_ratio=True),
    dict(type="LoadPersonSearchAnnotations", clip=False),
    dict(type="PackPersonSearchInputs"),
]

train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(type="PRWDataset", data_root=data_root, split="train", pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="PRWDataset",
        data_root=data_root,
        split="test",
        query_file="mini_query_info.txt",
        gallery_file="mini_galleries.txt",
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
