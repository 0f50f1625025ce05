# Trained on PRW, tested on PRW-mini; the short side of an image 600 pixels.
_base_ = [
    "../_base_/models/faster-rcnn_r50-c4.py",
    "../_base_/models/qeeps_r50.py",
    "../_base_/datasets/prw_mini_600.py",
    "../_base_/schedules/oim_18e.py",
    "../_base_/default_runtime.py",
]

_base_.qeeps.roi_head.reid_head.num_ids = _base_.num_ids
_base_.qeeps.roi_head.reid_head.loss_id.update(queue_size=_base_.queue_size)
model = _base_.qeeps
train_dataloader = dict(batch_sampler=dict(type="IdentityPairBatchSampler"))
oim_checkpoint = "{{$OIM_CHECKPOINT:work_dirs/oim_r50_prw/epoch_18.pth}}"
load_from = oim_checkpoint if oim_checkpoint != "none" else None
test_cfg = dict(type="PairSearchLoop", batch_size=8)
test_evaluator = dict(_delete_=True, type="PairSearchMetric")
