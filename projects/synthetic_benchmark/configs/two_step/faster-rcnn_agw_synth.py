_base_ = [
    "../_base_/models/faster-rcnn_r18ibn.py",
    "../_base_/teachers/agw_r18ibn.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i.py",
]

_base_.teacher.head.num_ids = _base_.num_ids
model = dict(
    _delete_=True,
    type="TwoStepPersonSearch",
    detector=_base_.model,
    reid=_base_.teacher,
    crop_extractor=_base_.crop_extractor,
    scale=(336, 192),
)
test_dataloader = dict(dataset=dict(pipeline=_base_.picture_pipeline))
val_dataloader = test_dataloader
