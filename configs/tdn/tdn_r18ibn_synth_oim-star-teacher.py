# "OIM* only w/ teacher" of the paper's table III. The embedding takes the teacher's width.
_base_ = ["./tdn_r18ibn_synth_oim-star.py", "../_base_/teachers/bot_r18ibn.py"]

_base_.teacher.head.num_ids = _base_.num_ids
teacher_checkpoint = "{{$TEACHER_CHECKPOINT:work_dirs/bot_r18ibn_synth/iter_300.pth}}"
model = dict(
    roi_head=dict(
        crop_extractor=_base_.crop_extractor,
        reid_head=dict(
            feat_channels=512,
            teacher=dict(model=_base_.teacher, checkpoint=teacher_checkpoint),
            loss_distill=dict(type="FeatureDistillationLoss", loss_weight=5.0),
        ),
    )
)
custom_hooks = [_base_.loss_weight_schedule]
