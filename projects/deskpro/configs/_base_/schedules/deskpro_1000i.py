# Schedule and runtime of the drawn persons: DeSKPro's, but 1000 iterations from scratch, with four times the learning
# rate, since the narrow network hardly learns with the paper's in this time.
max_iters = 1000
train_cfg = dict(type="IterBasedTrainLoop", max_iters=max_iters, val_interval=max_iters)
val_cfg = dict(type="ValLoop")
test_cfg = dict(type="TestLoop")
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=3e-3, weight_decay=5e-4, fused=True))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=False, begin=0, end=40),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=40, end=max_iters, eta_min=3.5e-7),
]
auto_scale_lr = dict(enable=False, base_batch_size=30)

default_scope = "mmpersonsearch"

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=20, log_metric_by_epoch=False),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=100, max_keep_ckpts=1),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    training_seed=dict(type="TrainingSeedHook"),
    identity_count=dict(type="IdentityCountCheckHook"),
    frozen_parts=dict(type="FrozenPartsHook"),
    broadcast_buffers=dict(type="BroadcastBuffersHook"),
    visualization=dict(type="PersonSearchVisualizationHook"),
)
env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    # Timeout in seconds: the other processes wait while the main one evaluates. Backend: nccl on GPUs, gloo without.
    dist_cfg=dict(timeout=1800),
)
vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(type="PersonSearchLocalVisualizer", vis_backends=vis_backends, name="visualizer")
log_processor = dict(type="LogProcessor", window_size=20, by_epoch=False)
randomness = dict(seed=0)
log_level = "INFO"
load_from = None
resume = False
