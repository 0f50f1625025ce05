# I-Net's schedule (Zhang et al.): 70,000 iterations of a pair of images, learning rate 0.001, divided
# by 10 after 40,000.
# Momentum and weight decay are not in the paper.
max_iters = 70000
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.001, momentum=0.9, weight_decay=5e-4))
param_scheduler = [dict(type="MultiStepLR", by_epoch=False, milestones=[40000], gamma=0.1)]
auto_scale_lr = dict(enable=False, base_batch_size=2)
