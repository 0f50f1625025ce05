_base_ = [
    "../_base_/models/oim_r18.py",
    "../_base_/models/oim_synth_size.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i_memories.py",
    "../_base_/iteration_runtime.py",
]

_base_.synth_size.roi_head.reid_head = dict(
    num_ids=_base_.num_ids, loss_id=dict(queue_size=_base_.queue_size, scale=30.0)
)
model = _base_.synth_size
