_base_ = [
    "../_base_/models/faster-rcnn_r50-c4.py",
    "../_base_/models/inet_head.py",
    "../_base_/datasets/cuhk_sysu_600.py",
    "../_base_/schedules/inet_70k.py",
    "../_base_/iteration_runtime.py",
]

model = dict(
    type="PersonSearchDetector",
    roi_head=dict(
        type="CoupledRoIHead",
        reid_head=dict(_base_.pair_head, in_channels=2048, num_ids=_base_.num_ids),
    ),
)
train_dataloader = dict(batch_sampler=dict(type="IdentityPairBatchSampler"))
