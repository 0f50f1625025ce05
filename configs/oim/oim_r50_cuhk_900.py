# Images to a short side of 900 and a long side of at most 1500 pixels.
_base_ = "./oim_r50_cuhk.py"

_base_.train_pipeline[2].scale = _base_.test_pipeline[1].scale = (1500, 900)
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
