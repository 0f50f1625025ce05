_base_ = [
    "../_base_/models/oim-star_r50ibn.py",
    "../_base_/datasets/cuhk_sysu.py",
    "../_base_/schedules/tdn_40e.py",
    "../_base_/default_runtime.py",
]

model = dict(roi_head=dict(reid_head=dict(num_ids=_base_.num_ids, loss_id=dict(queue_size=_base_.queue_size))))
