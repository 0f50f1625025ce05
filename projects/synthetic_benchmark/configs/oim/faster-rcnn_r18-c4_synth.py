_base_ = [
    "../_base_/models/faster-rcnn_r50.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i.py",
]

model = dict(
    backbone=dict(depth=18),
    rpn_head=dict(in_channels=128),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=128), shared_head=dict(depth=18), bbox_head=dict(in_channels=512)
    ),
)
val_evaluator = dict(_delete_=True, type="DetectionMetric", det_thr=0.5)
test_evaluator = val_evaluator
