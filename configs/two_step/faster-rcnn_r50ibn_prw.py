_base_ = [
    "../_base_/models/faster-rcnn_r50ibn.py",
    "../_base_/datasets/prw.py",
    "../_base_/schedules/tdn_40e.py",
    "../_base_/default_runtime.py",
]

val_evaluator = dict(_delete_=True, type="DetectionMetric", det_thr=0.5)
test_evaluator = val_evaluator
