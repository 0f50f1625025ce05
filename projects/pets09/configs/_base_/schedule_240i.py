# The synthetic set's schedule, shorter: five epochs of 101 images in batches of two.
_base_ = "../../../synthetic_benchmark/configs/_base_/schedules/synth_400i.py"

max_iters = 240
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
val_cfg = None
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=20),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=20, end=max_iters, eta_min=1e-6),
]
auto_scale_lr = dict(base_batch_size=2)
loss_weight_schedule = dict(milestones=[(90, 5.0), (150, 1.0)])
