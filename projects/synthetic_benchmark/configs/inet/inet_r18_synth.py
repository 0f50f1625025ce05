_base_ = [
    "../_base_/models/faster-rcnn_r50.py",
    "../_base_/models/inet_r18.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i.py",
]

_base_.inet.roi_head.reid_head.num_ids = _base_.num_ids
model = _base_.inet
train_dataloader = dict(batch_sampler=dict(type="IdentityPairBatchSampler"))
load_from = _base_.oim_weights
optim_wrapper = dict(optimizer=dict(lr=3e-4))  # a memory cannot follow a network that changes quickly
