# TDN with LightMBN as the teacher (not in the paper): its 3584 channels, of the crop alone and not of the mirrored one,
# are compared with a projection of the student's 2048.
_base_ = [
    "../_base_/models/tdn_r50ibn.py",
    "../_base_/teachers/light-mbn_osnet.py",
    "../_base_/datasets/prw.py",
    "../_base_/schedules/tdn_40e.py",
    "../_base_/default_runtime.py",
]

_base_.teacher.mirrored = False
_base_.teacher.head.num_ids = _base_.num_ids
teacher_checkpoint = "{{$TEACHER_CHECKPOINT:work_dirs/light-mbn_osnet_prw/epoch_140.pth}}"
reid_head = dict(
    num_ids=_base_.num_ids,
    teacher=dict(model=_base_.teacher, checkpoint=teacher_checkpoint),
    loss_distill=dict(type="FeatureDistillationLoss", loss_weight=5.0),
    projection=dict(type="mmdet.Linear"),
)
model = dict(roi_head=dict(reid_head=reid_head))
custom_hooks = [_base_.loss_weight_schedule]
