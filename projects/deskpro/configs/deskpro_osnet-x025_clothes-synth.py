# DeSKPro.
_base_ = [
    "./_base_/models/deskpro_osnet-x025.py",
    "./_base_/datasets/clothes_synth.py",
    "./_base_/schedules/deskpro_1000i.py",
]

teacher_checkpoint = (
    "{{$FACE_TEACHER_CHECKPOINT:work_dirs/deskpro_osnet-x025_clothes-synth_face-teacher/iter_1000.pth}}"
)
model = dict(
    type="TwoStreamReID",
    data_preprocessor=_base_.data_preprocessor,
    body=_base_.body_stream,
    face=_base_.plain_stream,
    teacher=dict(model=_base_.face_teacher, checkpoint=teacher_checkpoint),
    loss_distill=dict(type="FacialKnowledgePropagationLoss", temperature=5.0),
    alpha=0.7,
)
