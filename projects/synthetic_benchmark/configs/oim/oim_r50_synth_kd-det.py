# KD_det: DET_50 teaches the detector.
_base_ = [
    "../_base_/models/faster-rcnn_r50.py",
    "../../../../configs/_base_/models/oim_r50.py",
    "../../../../configs/_base_/teachers/kd_det.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i.py",
]

_base_.oim.roi_head.reid_head.num_ids = _base_.num_ids
_base_.oim.roi_head.reid_head.loss_id.update(queue_size=_base_.queue_size, scale=30.0)
detector_checkpoint = "{{$DETECTOR_CHECKPOINT:work_dirs/faster-rcnn_r50-c4_synth/iter_400.pth}}"
_base_.oim.update(_base_.kd_det, teacher=dict(model=_base_.model, checkpoint=detector_checkpoint))
# Times T^2 (Hinton et al.): without, as the paper writes them, the soft losses are too weak for so short a training.
_base_.oim.loss_soft.loss_weight = 2.0
model = _base_.oim
optim_wrapper = dict(optimizer=dict(lr=3e-4))  # a memory cannot follow a network that changes quickly
