# Square crops of other drawn tattoos than those searched for: weights to start OIM from.
_base_ = "../../synthetic_benchmark/configs/reid/bot_r18ibn_synth.py"

data_root = "{{$TATTOO_REID_ROOT:data/tattoo_reid/}}"
# A mirrored tattoo is another one.
train_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(96, 96), keep_ratio=False),
    dict(type="mmdet.RandomFlip", prob=0.0),
    dict(type="mmpretrain.RandomCrop", crop_size=(96, 96), padding=10),
    dict(type="mmpretrain.RandomErasing", erase_prob=0.5, fill_color=(104, 116, 124)),
    dict(type="PackReIDCrop", meta_keys=("flip", "flip_direction")),
]
test_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(96, 96), keep_ratio=False),
    dict(type="PackReIDCrop"),
]
train_dataloader = dict(dataset=dict(data_root=data_root, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
