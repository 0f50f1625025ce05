# BoT on the bodies of the drawn persons: the plain teacher of TDN.
_base_ = [
    "../../synthetic_benchmark/configs/_base_/teachers/bot_r18ibn.py",
    "./_base_/datasets/clothes_synth.py",
    "./_base_/schedules/deskpro_1000i.py",
]

model = _base_.teacher
optim_wrapper = dict(optimizer=dict(lr=3.5e-4))  # BoT's
train_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(64, 128), keep_ratio=False),
    dict(type="mmdet.RandomFlip", prob=0.5),
    dict(type="mmpretrain.RandomCrop", crop_size=(128, 64), padding=10),
    dict(type="mmpretrain.RandomErasing", erase_prob=0.5, fill_color=(104, 116, 124)),
    dict(type="PackReIDCrop"),
]
test_pipeline = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(64, 128), keep_ratio=False),
    dict(type="PackReIDCrop", meta_keys=("person_id", "camera_id", "clothes_id", "is_query")),
]
train_dataloader = dict(dataset=dict(streams=("body",), load_masks=False, pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(streams=("body",), pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(normalize=True)
test_evaluator = val_evaluator
