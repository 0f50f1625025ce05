# KD_det and KD_reid: DET_50 teaches the detector, the LUT is a trained OIM_50's.
_base_ = "./oim_r50_synth_kd-det.py"

lut_checkpoint = "{{$LUT_CHECKPOINT:work_dirs/oim_r50_synth/iter_400.pth}}"
loss_id = dict(loss_weight=0.1, lut_checkpoint=lut_checkpoint, freeze_lut=True)
model = dict(roi_head=dict(reid_head=dict(loss_id=loss_id)))
