# KD_det: DET_50 teaches the detector.
_base_ = ["./oim_r18_prw.py", "../_base_/teachers/det_r50.py"]

detector_checkpoint = "{{$DETECTOR_CHECKPOINT:work_dirs/faster-rcnn_r50-c4_prw/epoch_18.pth}}"
model = dict(teacher=dict(model=_base_.detector_teacher, checkpoint=detector_checkpoint), **_base_.kd_det)
