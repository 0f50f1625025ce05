# BoT on crops of the training scenes, the teacher of TDN, from the BoT of the synthetic set.
_base_ = [
    "../../synthetic_benchmark/configs/_base_/teachers/bot_r18ibn.py",
    "../../synthetic_benchmark/configs/_base_/datasets/synth_reid.py",
    "../../synthetic_benchmark/configs/_base_/schedules/bot_synth_300i.py",
]

data_root = "{{$PETS09_REID_ROOT:data/pets09_reid/}}"
model = _base_.teacher
crops = dict(data_root=data_root, ann_file="train.txt", data_prefix=dict(img_path="train"))
train_dataloader = dict(batch_size=32, sampler=dict(num_ids=8), dataset=crops)
val_cfg = val_dataloader = val_evaluator = None
test_dataloader = dict(dataset=crops)
max_iters = 150
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=15),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=15, end=max_iters, eta_min=1e-6),
]
load_from = "{{$SYNTH_WEIGHTS:work_dirs/demo/teacher/latest.pth}}"
