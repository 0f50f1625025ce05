# Tested on the mini protocol, as QEEPS is.
_base_ = [
    "../_base_/models/faster-rcnn_r50.py",
    "../_base_/models/oim_r18.py",
    "../_base_/datasets/synth_mini.py",
    "../_base_/schedules/synth_400i.py",
]

_base_.oim.roi_head.reid_head.num_ids = _base_.num_ids
_base_.oim.roi_head.reid_head.loss_id.update(queue_size=_base_.queue_size)
model = _base_.oim
optim_wrapper = dict(optimizer=dict(lr=3e-4))  # a memory cannot follow a network that changes quickly
