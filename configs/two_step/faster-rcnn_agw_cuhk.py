_base_ = [
    "../_base_/models/faster-rcnn_r50ibn.py",
    "../_base_/teachers/agw_r50ibn.py",
    "../_base_/datasets/cuhk_sysu.py",
    "../_base_/schedules/tdn_40e.py",
    "../_base_/default_runtime.py",
]

_base_.teacher.head.num_ids = _base_.num_ids
model = dict(
    _delete_=True,
    type="TwoStepPersonSearch",
    detector=_base_.model,
    reid=_base_.teacher,
    crop_extractor=_base_.crop_extractor,
    scale=(960, 640),
)
test_dataloader = dict(dataset=dict(pipeline=_base_.picture_pipeline))
val_dataloader = test_dataloader
