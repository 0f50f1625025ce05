# Crops of the synthetic set's labelled persons, at half the usual size.
_base_ = "./prw_reid.py"

data_root = "{{$SYNTH_REID_ROOT:data/synth_reid/}}"
num_ids = 150
_base_.train_pipeline[1].scale = _base_.test_pipeline[1].scale = (64, 128)
_base_.train_pipeline[3].crop_size = (128, 64)
# batch_size is the sampler's 12 identities x 4 images.
train_dataloader = dict(
    batch_size=48,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(num_ids=12),
    dataset=dict(data_root=data_root, pipeline=_base_.train_pipeline),
)
val_dataloader = dict(num_workers=2, dataset=dict(data_root=data_root, pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
