# Square crops of other drawn tattoos than those searched for: weights to start OIM from.
_base_ = "../../../configs/reid/bot_r18ibn_synth.py"

data_root = "{{$TATTOO_REID_ROOT:data/tattoo_reid/}}"
_base_.train_pipeline[1].scale = _base_.test_pipeline[1].scale = (96, 96)
_base_.train_pipeline[2].prob = 0.0  # a mirrored tattoo is another one
_base_.train_pipeline[3].crop_size = (96, 96)
train_dataloader = dict(dataset=dict(data_root=data_root, pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
