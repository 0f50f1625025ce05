# Partially disentangled framework alone: neither teacher nor KTB.
_base_ = "./tdn_r50ibn_cuhk_wo-teacher.py"

model = dict(roi_head=dict(bridge=None, crop_extractor=None))
