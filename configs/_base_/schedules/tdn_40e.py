# TDN's schedule: 40 epochs, batch 16, SGD with learning rate 0.01, divided by 10 at epochs 25 and 30.
# Warm-up, weight decay and clipping are not in the paper.
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=40, val_interval=40)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=5e-4),
    clip_grad=dict(max_norm=10),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=500),
    dict(type="MultiStepLR", by_epoch=True, milestones=[25, 30], gamma=0.1),
]
auto_scale_lr = dict(enable=False, base_batch_size=16)
# w of L_t (TDN, equation 4)
loss_weight_schedule = dict(
    type="LossWeightScheduleHook",
    path="roi_head.reid_head.loss_distill.loss_weight",
    milestones=[(15, 5.0), (25, 1.0)],
)
