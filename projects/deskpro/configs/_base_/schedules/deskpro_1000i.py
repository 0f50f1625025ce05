# Schedule and runtime of the drawn persons: DeSKPro's, but 1000 iterations from scratch, with four times the learning
# rate, since the narrow network hardly learns with the paper's in this time.
_base_ = "../../../../../configs/_base_/iteration_runtime.py"

max_iters = 1000
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=3e-3, weight_decay=5e-4, fused=True))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=40),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=40, end=max_iters, eta_min=3.5e-7),
]
auto_scale_lr = dict(enable=False, base_batch_size=60)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=100, max_keep_ckpts=1))
log_processor = dict(window_size=20)
