_base_ = [
    "../_base_/models/oim-star_r18ibn.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i.py",
]

model = dict(roi_head=dict(reid_head=dict(num_ids=_base_.num_ids, loss_id=dict(queue_size=_base_.queue_size))))
optim_wrapper = dict(optimizer=dict(lr=3e-4))  # a memory cannot follow a network that changes quickly
