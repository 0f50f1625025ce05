# TDN without a teacher.
_base_ = [
    "../_base_/models/tdn_r50ibn.py",
    "../_base_/datasets/posetrack21.py",
    "../_base_/schedules/tdn_40e.py",
    "../_base_/default_runtime.py",
]

model = dict(roi_head=dict(reid_head=dict(num_ids=_base_.num_ids)))
