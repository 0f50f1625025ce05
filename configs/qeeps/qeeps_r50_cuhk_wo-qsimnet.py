# Without QSimNet: matching by the cosine, as OIM.
_base_ = "./qeeps_r50_cuhk.py"

model = dict(roi_head=dict(qsimnet=None))
