# Nothing to train: an exported YOLOX and an exported Re-ID network (.onnx), which load_parts or the commands' options
# --detector-weights and --reid-weights name.
_base_ = [
    "../_base_/models/faster-rcnn_r50ibn.py",
    "../_base_/datasets/coco_person_search.py",
    "../_base_/default_runtime.py",
]

model = dict(
    _delete_=True,
    type="TwoStepPersonSearch",
    detector=dict(type="ExportedYOLOX"),
    reid=dict(type="ExportedReID"),
    crop_extractor=_base_.crop_extractor,
)
test_dataloader = dict(dataset=dict(pipeline=_base_.picture_pipeline))
val_dataloader = test_dataloader
