# BoT as the teacher of `make demo`: smaller crops and fewer iterations, therefore no random erasing; no validation.
_base_ = "./bot_r18ibn_synth.py"

train_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(48, 96), keep_ratio=False),
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(type="mmpretrain.RandomCrop", crop_size=(96, 48), padding=4),
    dict(type="PackReIDCrop", meta_keys=("flip", "flip_direction")),
]
test_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(48, 96), keep_ratio=False),
    dict(type="PackReIDCrop"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
max_iters = 150
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=15),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=15, end=max_iters, eta_min=1e-6),
]
val_cfg = val_dataloader = val_evaluator = None
