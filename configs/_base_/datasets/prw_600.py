# PRW for OIM: the short side of an image 600 pixels, the long one 1000 at most, two images an iteration.
_base_ = "./prw.py"

_base_.train_pipeline[2].scale = _base_.test_pipeline[1].scale = (1000, 600)
train_dataloader = dict(batch_size=2, dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
