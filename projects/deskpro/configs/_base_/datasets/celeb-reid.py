# Celeb-reID in DeSKPro's folders (README.md), for a body and a face stream. A model with other streams sets
# `train_dataloader.dataset.streams`, `load_masks`, and `streams` of the test split.
custom_imports = dict(imports=["projects.deskpro.deskpro"])
data_root = "{{$CELEB_REID_ROOT:data/celeb-reid/}}"
num_ids = None  # counted in the training set
# The clothes are not annotated.
persons = dict(type="ClothesChangingDataset", data_root=data_root, same_clothes_cameras=None)

train_pipeline = [
    dict(type="LoadStreams", body_size=(384, 128), face_size=(224, 224)),
    dict(type="FlipStreams", prob=0.5),
    dict(type="CropStreams", prob=0.5, scale=1.05),
    dict(type="EraseStreams", erase_prob=0.5, fill_color=(104, 116, 124)),
    dict(type="PackStreams"),
]
test_pipeline = [
    dict(type="LoadStreams", body_size=(384, 128), face_size=(224, 224)),
    dict(type="PackStreams"),
]

# batch_size is the sampler's 5 identities x 6 images.
train_dataloader = dict(
    batch_size=30,
    num_workers=4,
    persistent_workers=False,
    drop_last=True,
    sampler=dict(type="PKSampler", num_ids=5, num_instances=6),
    dataset=dict(
        **persons,
        split="train",
        streams=("body", "face", "restored_face"),
        load_masks=True,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=False,
    drop_last=False,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(**persons, split="test", streams=("body", "face"), pipeline=test_pipeline),
)
test_dataloader = val_dataloader

# The similarity is the sum of the parts' cosines: the model normalizes each part.
val_evaluator = dict(type="ReIDMetric", protocols=("standard",), normalize=False, topk=(1, 5, 10))
test_evaluator = val_evaluator
