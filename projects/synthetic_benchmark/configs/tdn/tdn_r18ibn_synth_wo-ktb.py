# "Baseline only w/ teacher" of the paper's table III.
_base_ = "./tdn_r18ibn_synth.py"

model = dict(roi_head=dict(bridge=None))
