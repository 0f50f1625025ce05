# OIM's schedule on PRW, which is half as large as CUHK-SYSU: divided by 10 after 14 epochs (39,928 iterations of 2) of
# 18 (51,336).
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=18, val_interval=18)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.001, momentum=0.9, weight_decay=5e-4))
param_scheduler = [dict(type="MultiStepLR", by_epoch=True, milestones=[14], gamma=0.1)]
auto_scale_lr = dict(enable=False, base_batch_size=2)
