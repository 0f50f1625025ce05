# DET_50 at the size of the synthetic set, as teacher of KD_det.
from mmengine import Config

_base_ = "./kd_det.py"

detector_teacher = Config.fromfile("{{ fileDirname }}/../../oim/faster-rcnn_r50-c4_synth.py").model
del Config  # the names of a config are its keys
