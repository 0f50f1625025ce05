# I-Net on ResNet-18: OIM's model with I-Net's head.
_base_ = ["./oim_r18.py", "./inet_head.py"]

model = dict(roi_head=dict(reid_head=dict(_delete_=True, in_channels=512, **_base_.reid_head)))
