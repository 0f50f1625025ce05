# Model 4 of table 3: the face stream without L_fkp.
_base_ = [
    "./_base_/models/deskpro_osnet.py",
    "./_base_/datasets/celeb-reid-light.py",
    "./_base_/schedules/deskpro_140e.py",
    "../../../configs/_base_/default_runtime.py",
]

model = dict(type="TwoStreamReID", data_preprocessor=_base_.data_preprocessor, face=_base_.plain_stream)
train_dataloader = dict(dataset=dict(streams=("face",), load_masks=False))
val_dataloader = dict(dataset=dict(streams=("face",)))
test_dataloader = val_dataloader
