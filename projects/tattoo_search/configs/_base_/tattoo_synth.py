# The drawn tattoos of tools/make_tattoos.py at its default size.
_base_ = "./webtattoo.py"

data_root = "{{$TATTOO_SYNTH_ROOT:data/tattoo_synth/}}"
num_ids = 150
_base_.train_pipeline[2].scale = _base_.test_pipeline[1].scale = (256, 192)
_base_.train_pipeline[3].prob = 0.0  # no photo is mirrored, and a mirrored tattoo is another one
train_dataloader = dict(
    batch_size=4,
    num_workers=2,
    persistent_workers=True,
    dataset=dict(data_root=data_root, pipeline=_base_.train_pipeline),
)
val_dataloader = dict(
    num_workers=2, dataset=dict(data_root=data_root, cross_camera=False, pipeline=_base_.test_pipeline)
)
test_dataloader = val_dataloader
