# FDPS (Yang et al.): boxes from the marginal distributions of OIM's RoI map, classes from its mean, the embedding from
# its maximum.
_base_ = [
    "../_base_/models/faster-rcnn_r50-c4.py",
    "../_base_/models/oim_r50.py",
    "../_base_/datasets/cuhk_sysu_900.py",
    "../_base_/schedules/fdps_20e.py",
    "../_base_/default_runtime.py",
]

_base_.oim.roi_head.bbox_head = dict(type="FeatureDecompositionBBoxHead")
_base_.oim.roi_head.reid_head.update(
    num_ids=_base_.num_ids, pooling=dict(type="torch.nn.AdaptiveMaxPool2d", output_size=1)
)
_base_.oim.roi_head.reid_head.loss_id.update(scale=30.0, queue_size=_base_.queue_size)
model = _base_.oim
