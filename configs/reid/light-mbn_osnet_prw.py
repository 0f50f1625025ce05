# Batches of 6 identities x 8 images.
_base_ = [
    "../_base_/teachers/light-mbn_osnet.py",
    "../_base_/datasets/prw_reid.py",
    "../_base_/schedules/light-mbn_140e.py",
    "../_base_/default_runtime.py",
]

_base_.teacher.head.num_ids = _base_.num_ids
model = _base_.teacher
train_dataloader = dict(batch_size=48, sampler=dict(num_ids=6, num_instances=8))
