_base_ = [
    "../_base_/models/inet_vgg16.py",
    "../_base_/datasets/cuhk_sysu_600.py",
    "../_base_/schedules/inet_70k.py",
    "../_base_/long_iteration_runtime.py",
]

model = dict(roi_head=dict(reid_head=dict(num_ids=_base_.num_ids)))
train_dataloader = dict(batch_sampler=dict(type="IdentityPairBatchSampler"))
