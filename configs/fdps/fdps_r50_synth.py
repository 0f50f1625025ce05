_base_ = [
    "../_base_/models/fdps_r50.py",
    "../_base_/models/oim_synth_size_r50.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i_memories.py",
    "../_base_/iteration_runtime.py",
]

# With weight 1 the embedding's loss leaves little of the shared layers to detection in so short a schedule.
_base_.synth_size.roi_head.reid_head = dict(
    num_ids=_base_.num_ids, loss_id=dict(queue_size=_base_.queue_size, loss_weight=0.3)
)
model = _base_.synth_size
