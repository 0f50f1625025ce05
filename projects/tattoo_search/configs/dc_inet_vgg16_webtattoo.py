_base_ = [
    "../../../configs/_base_/models/dc_inet_vgg16.py",
    "./_base_/webtattoo.py",
    "../../../configs/_base_/schedules/inet_70k.py",
    "../../../configs/_base_/long_iteration_runtime.py",
]

model = dict(roi_head=dict(reid_head=dict(num_ids=_base_.num_ids)))
train_dataloader = dict(batch_sampler=dict(type="IdentityPairBatchSampler"))
