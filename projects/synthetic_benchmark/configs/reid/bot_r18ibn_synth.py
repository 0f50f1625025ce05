_base_ = [
    "../_base_/teachers/bot_r18ibn.py",
    "../_base_/models/synth_weights.py",
    "../_base_/datasets/synth_reid.py",
    "../_base_/schedules/bot_synth_300i.py",
]

_base_.teacher.head.num_ids = _base_.num_ids
_base_.teacher.backbone.init_cfg = _base_.synth_init
model = _base_.teacher
