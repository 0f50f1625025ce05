_base_ = [
    "../../../configs/_base_/models/faster-rcnn_r50-c4.py",
    "../../../configs/_base_/models/oim_r50.py",
    "./_base_/webtattoo.py",
    "../../../configs/_base_/schedules/inet_70k.py",
    "../../../configs/_base_/iteration_runtime.py",
]

_base_.oim.roi_head.reid_head.num_ids = _base_.num_ids
_base_.oim.roi_head.reid_head.loss_id.update(queue_size=_base_.queue_size)
model = _base_.oim
