_base_ = [
    "../_base_/models/faster-rcnn_r50-c4.py",
    "../_base_/models/oim_r50.py",
    "../_base_/datasets/posetrack21_600.py",
    "../_base_/schedules/oim_9e.py",
    "../_base_/default_runtime.py",
]

_base_.oim.roi_head.reid_head.num_ids = _base_.num_ids
_base_.oim.roi_head.reid_head.loss_id.update(queue_size=_base_.queue_size)
model = _base_.oim
