# TDN with MGN as the teacher (the paper's table IV).
_base_ = ["./tdn_r50ibn_prw_wo-teacher.py", "../_base_/teachers/mgn_r50ibn.py"]

_base_.teacher.head.num_ids = _base_.num_ids
teacher_checkpoint = "{{$TEACHER_CHECKPOINT:work_dirs/mgn_r50ibn_prw/epoch_80.pth}}"
model = dict(
    roi_head=dict(
        reid_head=dict(
            teacher=dict(model=_base_.teacher, checkpoint=teacher_checkpoint),
            loss_distill=dict(type="FeatureDistillationLoss", loss_weight=5.0),
        )
    )
)
custom_hooks = [_base_.loss_weight_schedule]
