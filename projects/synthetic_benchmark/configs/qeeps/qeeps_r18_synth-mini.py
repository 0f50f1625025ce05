_base_ = [
    "../_base_/models/faster-rcnn_r50.py",
    "../_base_/models/qeeps_r18.py",
    "../_base_/datasets/synth_mini.py",
    "../_base_/schedules/synth_400i.py",
]

_base_.qeeps.roi_head.reid_head.num_ids = _base_.num_ids
_base_.qeeps.roi_head.reid_head.loss_id.update(queue_size=_base_.queue_size)
model = _base_.qeeps
train_dataloader = dict(batch_sampler=dict(type="IdentityPairBatchSampler"))
load_from = _base_.oim_weights
optim_wrapper = dict(optimizer=dict(lr=3e-4))  # a memory cannot follow a network that changes quickly
test_cfg = dict(type="PairSearchLoop", batch_size=8)
test_evaluator = dict(_delete_=True, type="PairSearchMetric")
