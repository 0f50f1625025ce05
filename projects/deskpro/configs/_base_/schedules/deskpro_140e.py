# DeSKPro's schedule: LightMBN's, with the learning rate that the authors' code scales by the batch, 6e-4 sqrt(30 / 20).
_base_ = "../../../../../configs/_base_/schedules/light-mbn_140e.py"

optim_wrapper = dict(optimizer=dict(lr=7.35e-4))
auto_scale_lr = dict(base_batch_size=30)
