# TDN on drawn scenes of persons who change clothes between cameras, with a plain BoT as its teacher. Galleries are the
# other cameras' scenes, where a query's person wears other clothes.
_base_ = [
    "../../../configs/_base_/models/tdn_r50ibn.py",
    "../../synthetic_benchmark/configs/_base_/models/tdn_r18ibn.py",
    "../../synthetic_benchmark/configs/_base_/teachers/bot_r18ibn.py",
    "../../synthetic_benchmark/configs/_base_/datasets/synth.py",
    "../../synthetic_benchmark/configs/_base_/schedules/synth_400i.py",
]

data_root = "{{$SYNTH_CLOTHES_ROOT:data/synth_clothes/}}"
teacher_checkpoint = "{{$TEACHER_CHECKPOINT:work_dirs/bot_r18ibn_clothes-synth/iter_1000.pth}}"
_base_.teacher.head.num_ids = 100  # those of the drawn set that it was trained on
_base_.tdn.roi_head.reid_head.update(
    num_ids=_base_.num_ids,
    teacher=dict(model=_base_.teacher, checkpoint=teacher_checkpoint),
    loss_distill=dict(type="FeatureDistillationLoss", loss_weight=5.0),
)
model = _base_.tdn
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root, cross_camera=True))
test_dataloader = val_dataloader
custom_hooks = [_base_.loss_weight_schedule]
