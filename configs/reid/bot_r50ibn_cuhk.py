_base_ = [
    "../_base_/teachers/bot_r50ibn.py",
    "../_base_/datasets/cuhk_sysu_reid.py",
    "../_base_/schedules/bot_120e.py",
    "../_base_/default_runtime.py",
]

_base_.teacher.head.num_ids = _base_.num_ids
model = _base_.teacher
