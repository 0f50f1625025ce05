# Model 4 of table 3: the face stream without L_fkp.
_base_ = [
    "./_base_/models/deskpro_osnet-x025.py",
    "./_base_/datasets/clothes_synth.py",
    "./_base_/schedules/deskpro_1000i.py",
]

model = dict(type="TwoStreamReID", data_preprocessor=_base_.data_preprocessor, face=_base_.plain_stream)
train_dataloader = dict(dataset=dict(streams=("face",), load_masks=False))
val_dataloader = dict(dataset=dict(streams=("face",)))
test_dataloader = val_dataloader
