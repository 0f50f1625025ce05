_base_ = "./oim_r18_synth_kd-det.py"

model = dict(roi_head=dict(reid_head=dict(loss_id=dict(loss_weight=0.1))))
