# LightMBN's schedule (Herzog et al., as their code and DeSKPro's have it): 140 epochs, Adam 6e-4, warm-up of 10 epochs,
# then a cosine to 3.5e-7.
train_cfg = dict(type="EpochBasedTrainLoop", max_epochs=140, val_interval=20)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=6e-4, weight_decay=5e-4))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=True, begin=0, end=10),
    dict(type="CosineAnnealingLR", by_epoch=True, begin=10, end=140, eta_min=3.5e-7),
]
auto_scale_lr = dict(enable=False, base_batch_size=48)
