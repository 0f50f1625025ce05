# KD_reid: the LUT is a trained QEEPS_50's, frozen; lambda_oim 0.1.
_base_ = "./oim_r18_cuhk.py"

lut_checkpoint = "{{$LUT_CHECKPOINT:work_dirs/qeeps_r50_cuhk/epoch_9.pth}}"
loss_id = dict(loss_weight=0.1, lut_checkpoint=lut_checkpoint, freeze_lut=True)
model = dict(roi_head=dict(reid_head=dict(loss_id=loss_id)))
