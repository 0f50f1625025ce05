# FDPS on ResNet-18.
_base_ = ["./oim_r18.py", "./fdps.py"]

model = _base_.fdps
