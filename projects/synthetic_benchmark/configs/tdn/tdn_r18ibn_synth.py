# TDN: the student with BoT as its teacher.
_base_ = [
    "../../../../configs/_base_/models/tdn_r50ibn.py",
    "../_base_/models/tdn_r18ibn.py",
    "../_base_/teachers/bot_r18ibn.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i.py",
]

_base_.teacher.head.num_ids = _base_.num_ids
teacher_checkpoint = "{{$TEACHER_CHECKPOINT:work_dirs/bot_r18ibn_synth/iter_300.pth}}"
_base_.tdn.roi_head.reid_head.update(
    num_ids=_base_.num_ids,
    teacher=dict(model=_base_.teacher, checkpoint=teacher_checkpoint),
    loss_distill=dict(type="FeatureDistillationLoss", loss_weight=5.0),
)
model = _base_.tdn
custom_hooks = [_base_.loss_weight_schedule]
