default_scope = "mmpersonsearch"

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=50),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", interval=1, max_keep_ckpts=3),
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
log_processor = dict(type="LogProcessor", window_size=50, by_epoch=True)
log_level = "INFO"
load_from = None
resume = False
