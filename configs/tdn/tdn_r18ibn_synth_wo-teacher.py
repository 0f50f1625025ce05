# TDN without a teacher; those with one are its children.
_base_ = [
    "../_base_/models/tdn_r18ibn.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i.py",
    "../_base_/iteration_runtime.py",
]

model = dict(roi_head=dict(reid_head=dict(num_ids=_base_.num_ids)))
