# TDN without a teacher, at the size of the synthetic set, with this project's loss.
_base_ = [
    "../../../configs/_base_/models/tdn_r50ibn.py",
    "../../synthetic_benchmark/configs/_base_/models/tdn_r18ibn.py",
    "../../synthetic_benchmark/configs/_base_/datasets/synth.py",
    "../../synthetic_benchmark/configs/_base_/schedules/synth_400i.py",
]
custom_imports = dict(imports=["projects.template.template"], allow_failed_imports=False)

_base_.tdn.roi_head.reid_head.update(
    num_ids=_base_.num_ids, loss_id=dict(_delete_=True, type="TemplateLoss", gamma=2.0)
)
model = _base_.tdn
