# TDN without a teacher, from the model of `make demo`.
_base_ = [
    "../../../configs/_base_/models/tdn_r50ibn.py",
    "../../synthetic_benchmark/configs/_base_/models/tdn_r18ibn.py",
    "_base_/pets09.py",
    "_base_/schedule_240i.py",
]

_base_.tdn.roi_head.reid_head.num_ids = _base_.num_ids
model = _base_.tdn
load_from = "{{$TDN_CHECKPOINT:work_dirs/demo/tdn/latest.pth}}"
