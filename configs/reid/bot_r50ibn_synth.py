# BoT on ResNet-50-IBN: weights for OIM and its kin to start from (synth_weights.py). After the 300 iterations of
# ResNet-18 it knows about half as much.
_base_ = "./bot_r18ibn_synth.py"

model = dict(backbone=dict(depth=50), head=dict(in_channels=2048))
max_iters = 900
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
_base_.param_scheduler[1].end = max_iters
