# DC-I-Net: conv4_x and conv5_x on the proposals for detection, and others on the refined boxes for Re-ID.
_base_ = [
    "../_base_/models/faster-rcnn_r50.py",
    "../_base_/models/inet_r18.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i.py",
]

_base_.inet.roi_head.update(
    type="DisentangledRoIHead",
    part2=dict(_base_.model.roi_head.shared_head, depth=18),
    reid_roi_extractor=dict(_base_.model.roi_head.bbox_roi_extractor, out_channels=128),
    max_rois_per_img=8,
)
_base_.inet.roi_head.reid_head.update(num_ids=_base_.num_ids, loss_id=dict(type="C2HEPLoss"))
if _base_.part2_weights:
    _base_.inet.roi_head.part2.init_cfg = _base_.part2_weights
model = _base_.inet
train_dataloader = dict(batch_sampler=dict(type="IdentityPairBatchSampler"))
load_from = _base_.oim_weights
optim_wrapper = dict(optimizer=dict(lr=3e-4))  # a memory cannot follow a network that changes quickly
