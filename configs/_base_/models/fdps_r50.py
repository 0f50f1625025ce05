# FDPS on ResNet-50.
_base_ = ["./oim_r50.py", "./fdps.py"]

model = _base_.fdps
