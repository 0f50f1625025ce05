# Nothing to train: published weights of COCO and MSMT17 (metafile.yml), for searching your own pictures.
_base_ = [
    "../_base_/models/faster-rcnn_r50-fpn_coco.py",
    "../_base_/models/faster-rcnn_r50ibn.py",
    "../_base_/teachers/bot_r50ibn.py",
    "../_base_/datasets/coco_person_search.py",
    "../_base_/default_runtime.py",
]

_base_.teacher.backbone.update(init_cfg=None, stem_padding=0)  # fast-reid's stem
_base_.teacher.head.num_ids = 1041
model = dict(
    _delete_=True,
    type="TwoStepPersonSearch",
    detector=_base_.detector,
    reid=_base_.teacher,
    crop_extractor=_base_.crop_extractor,
    scale=(1333, 800),
)
test_dataloader = dict(dataset=dict(pipeline=_base_.picture_pipeline))
val_dataloader = test_dataloader
