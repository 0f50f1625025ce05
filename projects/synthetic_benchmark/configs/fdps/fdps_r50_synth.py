# FDPS at the size of the synthetic set; see configs/fdps/fdps_r50_prw.py.
_base_ = [
    "../_base_/models/faster-rcnn_r50.py",
    "../../../../configs/_base_/models/oim_r50.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i.py",
]

_base_.oim.roi_head.bbox_head = dict(type="FeatureDecompositionBBoxHead")
_base_.oim.roi_head.reid_head.update(
    num_ids=_base_.num_ids, pooling=dict(type="torch.nn.AdaptiveMaxPool2d", output_size=1)
)
# With weight 1 the embedding's loss leaves little of the shared layers to detection in so short a schedule.
_base_.oim.roi_head.reid_head.loss_id.update(scale=30.0, queue_size=_base_.queue_size, loss_weight=0.3)
model = _base_.oim
optim_wrapper = dict(optimizer=dict(lr=3e-4))  # a memory cannot follow a network that changes quickly
