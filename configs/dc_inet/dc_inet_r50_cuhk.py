_base_ = [
    "../_base_/models/faster-rcnn_r50-c4.py",
    "../_base_/models/dc_inet_r50.py",
    "../_base_/datasets/cuhk_sysu_600.py",
    "../_base_/schedules/inet_70k.py",
    "../_base_/iteration_runtime.py",
]

_base_.dc_inet.roi_head.reid_head.num_ids = _base_.num_ids
model = _base_.dc_inet
train_dataloader = dict(batch_sampler=dict(type="IdentityPairBatchSampler"))
