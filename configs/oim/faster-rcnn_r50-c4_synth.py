_base_ = [
    "../_base_/models/faster-rcnn_r50-c4.py",
    "../_base_/models/oim_synth_size_r50.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i.py",
    "../_base_/iteration_runtime.py",
]

model = _base_.synth_size
val_evaluator = dict(_delete_=True, type="DetectionMetric", det_thr=0.5)
test_evaluator = val_evaluator
