_base_ = [
    "../../synthetic_benchmark/configs/_base_/models/faster-rcnn_r50.py",
    "./_base_/oim_r18.py",
    "./_base_/tattoo_synth.py",
    "./_base_/tattoo_1600i.py",
]

_base_.oim.roi_head.reid_head.num_ids = _base_.num_ids
_base_.oim.roi_head.reid_head.loss_id.update(queue_size=_base_.queue_size)
model = _base_.oim
