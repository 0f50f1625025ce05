_base_ = "./tdn_r50ibn_prw.py"

model = dict(roi_head=dict(reid_head=dict(teacher=None, loss_distill=None)))
custom_hooks = [dict(type="IdentityCountCheckHook")]
