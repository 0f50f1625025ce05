# BoT at the size of the synthetic set.
_base_ = "./bot_r50ibn.py"

teacher = dict(backbone=dict(depth=18, init_cfg=None), head=dict(in_channels=512))
