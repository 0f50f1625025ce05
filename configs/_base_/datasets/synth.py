# The synthetic set of projects/synthetic_benchmark, in PRW's structure, at its own size.
_base_ = "./prw.py"

data_root = "{{$SYNTH_ROOT:data/synth/}}"
num_ids = 150
_base_.train_pipeline[2].scale = _base_.test_pipeline[1].scale = (336, 192)
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    dataset=dict(data_root=data_root, pipeline=_base_.train_pipeline),
)
val_dataloader = dict(num_workers=2, dataset=dict(data_root=data_root, pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
