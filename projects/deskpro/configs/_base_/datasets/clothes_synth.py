# Drawn persons who wear other clothes in each image: bodies of 128x64, faces of 32x32 pixels. Nothing is erased, and a
# batch has twice the identities, since training is short.
_base_ = "./celeb-reid.py"

data_root = "{{$CLOTHES_SYNTH_ROOT:data/clothes_synth/}}"
train_pipeline = [
    dict(type="LoadStreams", body_size=(128, 64), face_size=(32, 32)),
    dict(type="FlipStreams", prob=0.5),
    dict(type="CropStreams", prob=0.5, scale=1.05),
    dict(type="PackStreams"),
]
test_pipeline = [dict(type="LoadStreams", body_size=(128, 64), face_size=(32, 32)), dict(type="PackStreams")]
train_dataloader = dict(
    batch_size=60,
    num_workers=0,
    sampler=dict(num_ids=10, infinite=True),
    dataset=dict(data_root=data_root, same_clothes_cameras=(), pipeline=train_pipeline),
)
val_dataloader = dict(
    num_workers=0,
    dataset=dict(data_root=data_root, same_clothes_cameras=(), pipeline=test_pipeline),
)
test_dataloader = val_dataloader
