# KD_reid from the same model: the LUT is a trained OIM_18's, frozen; lambda_oim 0.1.
_base_ = "./oim_r18_synth.py"

lut_checkpoint = "{{$LUT_CHECKPOINT:work_dirs/oim_r18_synth/iter_400.pth}}"
loss_id = dict(loss_weight=0.1, lut_checkpoint=lut_checkpoint, freeze_lut=True)
model = dict(roi_head=dict(reid_head=dict(loss_id=loss_id)))
