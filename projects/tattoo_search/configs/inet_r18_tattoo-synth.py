_base_ = [
    "../../synthetic_benchmark/configs/_base_/models/faster-rcnn_r50.py",
    "./_base_/inet_r18.py",
    "./_base_/tattoo_synth.py",
    "./_base_/tattoo_1600i.py",
]

_base_.inet.roi_head.reid_head.num_ids = _base_.num_ids
model = _base_.inet
train_dataloader = dict(batch_sampler=dict(type="IdentityPairBatchSampler"))
load_from = _base_.oim_weights
