# MGN at the size of the synthetic set: 8 features of 64 channels, as wide together as the student's embedding.
_base_ = "./mgn_r50ibn.py"

teacher = dict(backbone=dict(depth=18, init_cfg=None), head=dict(in_channels=512, feat_channels=64))
