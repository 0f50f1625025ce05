# TDN with AGW as the teacher (the paper's table IV).
_base_ = [
    "../_base_/models/tdn_r50ibn.py",
    "../_base_/teachers/agw_r50ibn.py",
    "../_base_/datasets/cuhk_sysu.py",
    "../_base_/schedules/tdn_40e.py",
    "../_base_/default_runtime.py",
]

_base_.teacher.head.num_ids = _base_.num_ids
teacher_checkpoint = "{{$TEACHER_CHECKPOINT:work_dirs/agw_r50ibn_cuhk/epoch_120.pth}}"
reid_head = dict(
    num_ids=_base_.num_ids,
    teacher=dict(model=_base_.teacher, checkpoint=teacher_checkpoint),
    loss_distill=dict(type="FeatureDistillationLoss", loss_weight=5.0),
)
model = dict(roi_head=dict(reid_head=reid_head))
custom_hooks = [_base_.loss_weight_schedule]
