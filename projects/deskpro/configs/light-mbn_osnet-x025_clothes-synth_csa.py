# Model 2 of table 3: the body stream with CSA, without L_att.
_base_ = [
    "./_base_/models/deskpro_osnet-x025.py",
    "./_base_/datasets/clothes_synth.py",
    "./_base_/schedules/deskpro_1000i.py",
]

model = dict(type="TwoStreamReID", data_preprocessor=_base_.data_preprocessor, body=_base_.csa_stream)
train_dataloader = dict(dataset=dict(streams=("body",), load_masks=False))
val_dataloader = dict(dataset=dict(streams=("body",)))
test_dataloader = val_dataloader
