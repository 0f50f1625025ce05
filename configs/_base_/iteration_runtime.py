# For schedules that count iterations.
_base_ = "./default_runtime.py"

default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=100, max_keep_ckpts=2),
    logger=dict(interval=20, log_metric_by_epoch=False),
)
log_processor = dict(by_epoch=False, window_size=20)
randomness = dict(seed=0)
