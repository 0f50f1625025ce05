# DET_50, the detector of configs/oim/faster-rcnn_r50-c4_{cuhk,prw}.py, as teacher of KD_det.
from mmengine import Config

_base_ = "./kd_det.py"

detector_teacher = Config.fromfile("{{ fileDirname }}/../models/faster-rcnn_r50-c4.py").model
del Config  # the names of a config are its keys
