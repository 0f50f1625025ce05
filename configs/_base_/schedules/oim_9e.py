# OIM's schedule (Xiao et al.): batch 2, SGD with learning rate 0.001, divided by 10 at iteration 40,000 of 50,000. In
# epochs of CUHK-SYSU, which hold for any batch size: after 7 (39,221 iterations of 2) of 9 (50,427).
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=9, val_interval=9)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.001, momentum=0.9, weight_decay=5e-4))
param_scheduler = [dict(type="MultiStepLR", by_epoch=True, milestones=[7], gamma=0.1)]
auto_scale_lr = dict(enable=False, base_batch_size=2)
