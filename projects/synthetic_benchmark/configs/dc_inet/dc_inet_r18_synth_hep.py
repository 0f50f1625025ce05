_base_ = "./dc_inet_r18_synth.py"

model = dict(roi_head=dict(reid_head=dict(loss_id=dict(type="HEPLoss"))))
