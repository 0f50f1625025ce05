# PRW for FDPS: the short side of an image 900 pixels, the long one 1500 at most, five images an iteration.
_base_ = "./prw.py"

_base_.train_pipeline[2].scale = _base_.test_pipeline[1].scale = (1500, 900)
train_dataloader = dict(batch_size=5, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
