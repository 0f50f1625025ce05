# "OIM* only w/ teacher" of the paper's table III. The embedding takes the teacher's width.
_base_ = [
    "../_base_/models/oim-star_r18ibn.py",
    "../_base_/teachers/bot_r18ibn.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i.py",
]

_base_.teacher.head.num_ids = _base_.num_ids
teacher_checkpoint = "{{$TEACHER_CHECKPOINT:work_dirs/bot_r18ibn_synth/iter_300.pth}}"
reid_head = dict(
    num_ids=_base_.num_ids,
    feat_channels=512,
    loss_id=dict(queue_size=_base_.queue_size),
    teacher=dict(model=_base_.teacher, checkpoint=teacher_checkpoint),
    loss_distill=dict(type="FeatureDistillationLoss", loss_weight=5.0),
)
model = dict(roi_head=dict(crop_extractor=_base_.crop_extractor, reid_head=reid_head))
custom_hooks = [_base_.loss_weight_schedule]
optim_wrapper = dict(optimizer=dict(lr=3e-4))  # a memory cannot follow a network that changes quickly
