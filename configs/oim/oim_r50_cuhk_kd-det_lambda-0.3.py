# KD_det with lambda_oim 0.3.
_base_ = [
    "../_base_/models/faster-rcnn_r50-c4.py",
    "../_base_/models/oim_r50.py",
    "../_base_/teachers/kd_det.py",
    "../_base_/datasets/cuhk_sysu_600.py",
    "../_base_/schedules/oim_9e.py",
    "../_base_/default_runtime.py",
]

_base_.oim.roi_head.reid_head.num_ids = _base_.num_ids
_base_.oim.roi_head.reid_head.loss_id.update(queue_size=_base_.queue_size, loss_weight=0.3)
detector_checkpoint = "{{$DETECTOR_CHECKPOINT:work_dirs/faster-rcnn_r50-c4_cuhk/epoch_9.pth}}"
_base_.oim.update(_base_.kd_det, teacher=dict(model=_base_.model, checkpoint=detector_checkpoint))
model = _base_.oim
