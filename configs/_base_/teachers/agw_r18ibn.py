# AGW at the size of the synthetic set. conv4_x has two blocks only, hence two non-local ones.
_base_ = "./agw_r50ibn.py"

teacher = dict(
    backbone=dict(depth=18, num_non_local=(0, 2, 2, 0), init_cfg=None),
    head=dict(in_channels=512),
)
