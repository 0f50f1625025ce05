# Model 6 of table 3, and the teacher of the others: the face stream on restored faces.
_base_ = [
    "./_base_/models/deskpro_osnet-x025.py",
    "./_base_/datasets/clothes_synth.py",
    "./_base_/schedules/deskpro_1000i.py",
]

model = _base_.face_teacher
train_dataloader = dict(dataset=dict(streams=("restored_face",), load_masks=False))
val_dataloader = dict(dataset=dict(streams=("restored_face",)))
test_dataloader = val_dataloader
