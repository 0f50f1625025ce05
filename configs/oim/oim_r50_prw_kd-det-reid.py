# KD_det and KD_reid: DET_50 teaches the detector, the LUT is a trained OIM_50's.
_base_ = [
    "../_base_/models/faster-rcnn_r50-c4.py",
    "../_base_/models/oim_r50.py",
    "../_base_/teachers/kd_det.py",
    "../_base_/datasets/prw_600.py",
    "../_base_/schedules/oim_18e.py",
    "../_base_/default_runtime.py",
]

lut_checkpoint = "{{$LUT_CHECKPOINT:work_dirs/oim_r50_prw/epoch_18.pth}}"
_base_.oim.roi_head.reid_head.num_ids = _base_.num_ids
_base_.oim.roi_head.reid_head.loss_id.update(
    queue_size=_base_.queue_size, loss_weight=0.1, lut_checkpoint=lut_checkpoint, freeze_lut=True
)
detector_checkpoint = "{{$DETECTOR_CHECKPOINT:work_dirs/faster-rcnn_r50-c4_prw/epoch_18.pth}}"
_base_.oim.update(_base_.kd_det, teacher=dict(model=_base_.model, checkpoint=detector_checkpoint))
model = _base_.oim
