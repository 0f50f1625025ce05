_base_ = [
    "../_base_/models/oim_r18.py",
    "../_base_/datasets/cuhk_sysu_600.py",
    "../_base_/schedules/oim_9e.py",
    "../_base_/default_runtime.py",
]

model = dict(roi_head=dict(reid_head=dict(num_ids=_base_.num_ids, loss_id=dict(queue_size=_base_.queue_size))))
