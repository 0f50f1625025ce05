# BoT on ResNet-50-IBN: weights for OIM and its kin to start from (synth_weights.py). Its blocks start as the
# identity: otherwise the mean of its features outweighs what they say of persons, and OIM does not start from them
# (projects/synthetic_benchmark/notes).
_base_ = "./bot_r18ibn_synth.py"

model = dict(backbone=dict(depth=50, zero_init_residual=True), head=dict(in_channels=2048))
max_iters = 600
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
_base_.param_scheduler[1].end = max_iters
