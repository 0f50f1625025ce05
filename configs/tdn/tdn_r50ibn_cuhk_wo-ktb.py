# "Baseline only w/ teacher" of the paper's table III.
_base_ = "./tdn_r50ibn_cuhk.py"

model = dict(roi_head=dict(bridge=None))
