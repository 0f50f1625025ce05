# The synthetic persons' schedule for memories, four times as long: after 400 iterations OIM's table knows next to
# nothing of tattoos yet.
_base_ = "../../../../configs/_base_/schedules/synth_400i_memories.py"

max_iters = 1600
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
_base_.param_scheduler[1].end = max_iters
