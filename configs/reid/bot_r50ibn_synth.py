# BoT on ResNet-50-IBN: weights for OIM and its kin to start from (synth_weights.py).
_base_ = "./bot_r18ibn_synth.py"

model = dict(backbone=dict(depth=50), head=dict(in_channels=2048))
