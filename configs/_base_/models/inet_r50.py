# I-Net on ResNet-50: OIM's model with I-Net's head.
_base_ = ["./oim_r50.py", "./inet_head.py"]

model = dict(roi_head=dict(reid_head=dict(_delete_=True, in_channels=2048, **_base_.reid_head)))
