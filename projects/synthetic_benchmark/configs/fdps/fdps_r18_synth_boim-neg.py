# OIM loss and L_neg, without w.
_base_ = "./fdps_r18_synth.py"

model = dict(roi_head=dict(reid_head=dict(loss_id=dict(type="BalancedOIMLoss", with_w=False))))
