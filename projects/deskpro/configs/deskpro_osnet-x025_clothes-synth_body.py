# Model 3 of table 3: the body stream with CSA and L_att.
_base_ = [
    "./_base_/models/deskpro_osnet-x025.py",
    "./_base_/datasets/clothes_synth.py",
    "./_base_/schedules/deskpro_1000i.py",
]

model = dict(type="TwoStreamReID", data_preprocessor=_base_.data_preprocessor, body=_base_.body_stream)
train_dataloader = dict(dataset=dict(streams=("body",)))
val_dataloader = dict(dataset=dict(streams=("body",)))
test_dataloader = val_dataloader
