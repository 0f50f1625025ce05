# DET_50 at the size of the synthetic set, as teacher of KD_det. Its soft losses are multiplied by T^2 (Hinton et al.):
# without, as the paper writes them, they are too weak for so short a training (projects/synthetic_benchmark/notes).
from mmengine import Config

_base_ = "./kd_det.py"

detector_teacher = Config.fromfile("{{ fileDirname }}/../../oim/faster-rcnn_r50-c4_synth.py").model
kd_det = dict(loss_soft=dict(loss_weight=100.0))
del Config  # the names of a config are its keys
