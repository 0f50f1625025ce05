# BoT on ResNet-50-IBN: weights for OIM and related methods to start from. Its blocks start as the identity: otherwise
# the mean of its features outweighs their differences, and OIM does not learn from them (notes/starting_weights.md).
_base_ = "./bot_r18ibn_synth.py"

model = dict(backbone=dict(depth=50, zero_init_residual=True), head=dict(in_channels=2048))
max_iters = 600
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=15),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=15, end=max_iters, eta_min=1e-6),
]
