# For schedules of many iterations.
_base_ = "./iteration_runtime.py"

default_hooks = dict(checkpoint=dict(interval=10000), logger=dict(interval=50))
log_processor = dict(window_size=50)
