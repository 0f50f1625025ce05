# KD_reid from the smaller model: the LUT is a trained OIM_18's.
_base_ = "./oim_r18_cuhk_kd-reid.py"

lut_checkpoint = "{{$LUT_CHECKPOINT:work_dirs/oim_r18_cuhk/epoch_9.pth}}"
model = dict(roi_head=dict(reid_head=dict(loss_id=dict(lut_checkpoint=lut_checkpoint))))
