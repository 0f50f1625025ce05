# PRW and CUHK-SYSU together, for OIM: the size of prw_600.py. Each set is evaluated by its own protocol.
prw_root = "{{$PRW_ROOT:data/PRW/}}"
cuhk_root = "{{$CUHK_ROOT:data/CUHK-SYSU/}}"
num_ids = 483 + 5532
queue_size = 500 + 5000

train_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="LoadPersonSearchAnnotations"),
    dict(type="mmdet.Resize", scale=(1000, 600), keep_ratio=True),
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(type="PackPersonSearchInputs"),
]
# The annotations are loaded after resizing: they stay in pixels of the original image, in which the metric works.
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
    dataset=dict(
        type="JointPersonSearchDataset",
        datasets=dict(
            prw=dict(type="PRWDataset", data_root=prw_root, split="train", pipeline=train_pipeline),
            cuhk=dict(type="CUHKSYSUDataset", data_root=cuhk_root, split="train", pipeline=train_pipeline),
        ),
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(
        type="JointPersonSearchDataset",
        datasets=dict(
            prw=dict(type="PRWDataset", data_root=prw_root, split="test", pipeline=test_pipeline),
            cuhk=dict(
                type="CUHKSYSUDataset",
                data_root=cuhk_root,
                split="test",
                pipeline=test_pipeline,
                gallery_sizes=(100,),
            ),
        ),
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
