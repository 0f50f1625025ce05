# MGN's schedule (Wang et al.): 80 epochs, SGD with learning rate 0.01, divided by 10 at epochs 40 and 60.
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=80, val_interval=40)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=5e-4))
param_scheduler = [dict(type="MultiStepLR", by_epoch=True, milestones=[40, 60], gamma=0.1)]
auto_scale_lr = dict(enable=False, base_batch_size=64)
