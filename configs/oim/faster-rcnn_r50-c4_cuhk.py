_base_ = [
    "../_base_/models/faster-rcnn_r50-c4.py",
    "../_base_/datasets/cuhk_sysu_600.py",
    "../_base_/schedules/oim_9e.py",
    "../_base_/default_runtime.py",
]

val_evaluator = dict(_delete_=True, type="DetectionMetric", det_thr=0.5)
test_evaluator = val_evaluator
