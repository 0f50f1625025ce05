_base_ = [
    "../../../configs/_base_/models/faster-rcnn_r50-c4.py",
    "../../../configs/_base_/models/inet_vgg16.py",
    "./_base_/webtattoo.py",
    "../../../configs/_base_/schedules/inet_70k.py",
    "../../../configs/_base_/iteration_runtime.py",
]

_base_.inet.roi_head.reid_head.num_ids = _base_.num_ids
model = _base_.inet
train_dataloader = dict(batch_sampler=dict(type="IdentityPairBatchSampler"))
