_base_ = [
    "../_base_/models/oim-star_r18ibn.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i_memories.py",
    "../_base_/iteration_runtime.py",
]

model = dict(roi_head=dict(reid_head=dict(num_ids=_base_.num_ids, loss_id=dict(queue_size=_base_.queue_size))))
