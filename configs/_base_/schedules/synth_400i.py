# Schedule of the synthetic set, in iterations: AdamW, warm-up, cosine.
max_iters = 400
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=1e-4, fused=True),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=20),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=20, end=max_iters, eta_min=1e-6),
]
auto_scale_lr = dict(enable=False, base_batch_size=4)
# w of L_t (TDN, equation 4), at the same shares of the schedule
loss_weight_schedule = dict(
    type="LossWeightScheduleHook",
    path="roi_head.reid_head.loss_distill.loss_weight",
    milestones=[(150, 5.0), (250, 1.0)],
    by_epoch=False,
)
