# OIM, from OIM_18 of the synthetic benchmark; its lookup table starts anew.
_base_ = [
    "../../synthetic_benchmark/configs/_base_/models/faster-rcnn_r50.py",
    "../../synthetic_benchmark/configs/_base_/models/oim_r18.py",
    "_base_/pets09.py",
    "_base_/schedule_240i.py",
]

_base_.oim.roi_head.reid_head.num_ids = _base_.num_ids
_base_.oim.roi_head.reid_head.loss_id.update(queue_size=_base_.queue_size)
model = _base_.oim
optim_wrapper = dict(optimizer=dict(lr=3e-4))
load_from = "{{$OIM_CHECKPOINT:work_dirs/synth_benchmark/oim_r18_synth_800i_seed0/latest.pth}}"
