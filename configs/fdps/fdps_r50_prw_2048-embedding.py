# Memories of the map's width C without a linear layer, as equation 6 writes them.
_base_ = "./fdps_r50_prw.py"

model = dict(roi_head=dict(reid_head=dict(feat_channels=None)))
