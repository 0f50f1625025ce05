_base_ = [
    "../../../configs/_base_/models/oim_r50.py",
    "./_base_/webtattoo.py",
    "../../../configs/_base_/schedules/inet_70k.py",
    "../../../configs/_base_/long_iteration_runtime.py",
]

model = dict(roi_head=dict(reid_head=dict(num_ids=_base_.num_ids, loss_id=dict(queue_size=_base_.queue_size))))
