# TDN with BoT as its teacher, from the model of `make demo`.
_base_ = [
    "../../../configs/_base_/models/tdn_r50ibn.py",
    "../../synthetic_benchmark/configs/_base_/models/tdn_r18ibn.py",
    "../../synthetic_benchmark/configs/_base_/teachers/bot_r18ibn.py",
    "_base_/pets09.py",
    "_base_/schedule_240i.py",
]

_base_.teacher.head.num_ids = _base_.num_ids
teacher_checkpoint = "{{$TEACHER_CHECKPOINT:work_dirs/bot_r18ibn_pets09/iter_150.pth}}"
_base_.tdn.roi_head.reid_head.update(
    num_ids=_base_.num_ids,
    teacher=dict(model=_base_.teacher, checkpoint=teacher_checkpoint),
    loss_distill=dict(type="FeatureDistillationLoss", loss_weight=5.0),
)
model = _base_.tdn
custom_hooks = [_base_.loss_weight_schedule]
load_from = "{{$TDN_CHECKPOINT:work_dirs/demo/tdn/latest.pth}}"
