# KD_det and KD_reid: DET_50 teaches the detector, the LUT is a trained OIM_50's.
_base_ = ["./oim_r50_cuhk_kd-reid.py", "../_base_/teachers/det_r50.py"]

model = dict(teacher=_base_.detector_teacher, **_base_.kd_det)
detector_checkpoint = "{{$DETECTOR_CHECKPOINT:work_dirs/faster-rcnn_r50-c4_cuhk/epoch_9.pth}}"
custom_hooks = [dict(type="IdentityCountCheckHook"), dict(type="FrozenTeacherHook", checkpoint=detector_checkpoint)]
