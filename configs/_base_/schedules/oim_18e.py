# OIM's schedule on PRW, which is half as large as CUHK-SYSU: 50,000 iterations are eighteen epochs.
_base_ = "./oim_9e.py"

train_cfg = dict(max_epochs=18, val_interval=18)
