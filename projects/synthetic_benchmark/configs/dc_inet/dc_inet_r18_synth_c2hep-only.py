# OLP's dictionary still chooses the priority classes.
_base_ = "./dc_inet_r18_synth.py"

model = dict(roi_head=dict(reid_head=dict(loss_pair=dict(loss_weight=0.0))))
