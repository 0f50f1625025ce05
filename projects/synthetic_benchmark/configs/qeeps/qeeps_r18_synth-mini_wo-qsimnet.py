# Without QSimNet: matching by the cosine, as OIM.
_base_ = "./qeeps_r18_synth-mini.py"

model = dict(roi_head=dict(qsimnet=None))
