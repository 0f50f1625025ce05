# FDPS's schedule: batch 5, SGD with learning rate 0.003, divided by 10 after epoch 14. The paper gives no end.
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=20, val_interval=20)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.003, momentum=0.9, weight_decay=5e-4))
param_scheduler = [dict(type="MultiStepLR", milestones=[14], gamma=0.1)]
auto_scale_lr = dict(enable=False, base_batch_size=5)
