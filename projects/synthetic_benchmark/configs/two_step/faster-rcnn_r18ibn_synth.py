_base_ = [
    "../_base_/models/faster-rcnn_r18ibn.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i.py",
]

val_evaluator = dict(_delete_=True, type="DetectionMetric", det_thr=0.5)
test_evaluator = val_evaluator
