_base_ = [
    "../_base_/models/faster-rcnn_r50-c4.py",
    "../_base_/models/inet_head.py",
    "../_base_/datasets/cuhk_sysu_600.py",
    "../_base_/schedules/inet_70k.py",
    "../_base_/iteration_runtime.py",
]

model = dict(
    type="PersonSearchDetector",
    backbone=dict(frozen_stages=1),
    roi_head=dict(
        type="CoupledRoIHead",
        reid_head=dict(_base_.pair_head, in_channels=2048, num_ids=_base_.num_ids),
    ),
    test_cfg=dict(rpn=dict(max_per_img=128)),
)
train_dataloader = dict(batch_sampler=dict(type="IdentityPairBatchSampler"))
