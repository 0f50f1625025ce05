# TDN on drawn scenes of persons who change clothes between cameras, with DeSKPro's body stream as its teacher, whose
# 3584 channels are compared with a projection of the student's 512.
_base_ = [
    "../../../configs/_base_/models/tdn_r50ibn.py",
    "../../synthetic_benchmark/configs/_base_/models/tdn_r18ibn.py",
    "./_base_/models/deskpro_osnet-x025.py",
    "../../synthetic_benchmark/configs/_base_/datasets/synth.py",
    "../../synthetic_benchmark/configs/_base_/schedules/synth_400i.py",
]

custom_imports = dict(imports=["projects.deskpro.deskpro"])
data_root = "{{$SYNTH_CLOTHES_ROOT:data/synth_clothes/}}"
teacher_checkpoint = "{{$TEACHER_CHECKPOINT:work_dirs/deskpro_osnet-x025_clothes-synth_body/iter_600.pth}}"
_base_.body_stream.mirrored = False
_base_.body_stream.head.num_ids = 100  # those of the drawn set that it was trained on
teacher = dict(type="BodyTeacher", data_preprocessor=_base_.data_preprocessor, body=_base_.body_stream)
_base_.tdn.roi_head.reid_head.update(
    num_ids=_base_.num_ids,
    teacher=dict(model=teacher, checkpoint=teacher_checkpoint),
    loss_distill=dict(type="FeatureDistillationLoss", loss_weight=5.0),
    projection=dict(type="mmdet.Linear"),
)
model = _base_.tdn
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root, cross_camera=True))
test_dataloader = val_dataloader
custom_hooks = [_base_.loss_weight_schedule]
