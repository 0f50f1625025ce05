# DeSKPro* of table 3: the body stream, and the face stream on restored faces.
_base_ = [
    "./_base_/models/deskpro_osnet-x025.py",
    "./_base_/datasets/clothes_synth.py",
    "./_base_/schedules/deskpro_1000i.py",
]

model = dict(
    type="TwoStreamReID",
    data_preprocessor=_base_.data_preprocessor,
    body=_base_.body_stream,
    face=_base_.plain_stream,
    face_input="restored_face",
)
train_dataloader = dict(dataset=dict(streams=("body", "restored_face")))
val_dataloader = dict(dataset=dict(streams=("body", "restored_face")))
test_dataloader = val_dataloader
