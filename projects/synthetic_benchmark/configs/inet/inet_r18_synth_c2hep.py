_base_ = "./inet_r18_synth.py"

model = dict(roi_head=dict(reid_head=dict(loss_id=dict(type="C2HEPLoss"))))
