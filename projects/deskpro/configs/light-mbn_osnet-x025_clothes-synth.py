# Model 1 of table 3, LightMBN: the body stream without CSA.
_base_ = [
    "./_base_/models/deskpro_osnet-x025.py",
    "./_base_/datasets/clothes_synth.py",
    "./_base_/schedules/deskpro_1000i.py",
]

model = dict(type="TwoStreamReID", data_preprocessor=_base_.data_preprocessor, body=_base_.plain_stream)
train_dataloader = dict(dataset=dict(streams=("body",), load_masks=False))
val_dataloader = dict(dataset=dict(streams=("body",)))
test_dataloader = val_dataloader
