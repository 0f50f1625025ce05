# KD_det: DET_50 teaches the detector.
_base_ = ["./oim_r50_synth.py", "../_base_/teachers/det_r50_synth.py"]

model = dict(teacher=_base_.detector_teacher, **_base_.kd_det)
detector_checkpoint = "{{$DETECTOR_CHECKPOINT:work_dirs/faster-rcnn_r50-c4_synth/iter_400.pth}}"
custom_hooks = [dict(type="IdentityCountCheckHook"), dict(type="FrozenTeacherHook", checkpoint=detector_checkpoint)]
