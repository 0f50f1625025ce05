# KD_det: DET_50 teaches the detector.
_base_ = ["./oim_r50_synth.py", "../_base_/teachers/det_r50_synth.py"]

detector_checkpoint = "{{$DETECTOR_CHECKPOINT:work_dirs/faster-rcnn_r50-c4_synth/iter_400.pth}}"
model = dict(teacher=dict(model=_base_.detector_teacher, checkpoint=detector_checkpoint), **_base_.kd_det)
