# DeSKPro.
_base_ = [
    "./_base_/models/deskpro_osnet.py",
    "./_base_/datasets/prcc.py",
    "./_base_/schedules/deskpro_140e.py",
    "../../../configs/_base_/default_runtime.py",
]

teacher_checkpoint = "{{$FACE_TEACHER_CHECKPOINT:work_dirs/deskpro_osnet_prcc_face-teacher/epoch_140.pth}}"
model = dict(
    type="TwoStreamReID",
    data_preprocessor=_base_.data_preprocessor,
    body=_base_.body_stream,
    face=_base_.plain_stream,
    teacher=dict(model=_base_.face_teacher, checkpoint=teacher_checkpoint),
    loss_distill=dict(type="FacialKnowledgePropagationLoss", temperature=1.0),
    alpha=0.8,
)
