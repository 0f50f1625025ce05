_base_ = [
    "../../synthetic_benchmark/configs/_base_/models/faster-rcnn_r50.py",
    "./_base_/inet_r18.py",
    "./_base_/tattoo_synth.py",
    "./_base_/tattoo_1600i.py",
]

_base_.inet.roi_head.update(
    type="DisentangledRoIHead",
    part2=dict(_base_.model.roi_head.shared_head, depth=18),
    reid_roi_extractor=dict(
        _base_.model.roi_head.bbox_roi_extractor,
        roi_layer=dict(type="RoIAlign", output_size=12, sampling_ratio=1),
        out_channels=128,
    ),
    max_rois_per_img=8,
)
_base_.inet.roi_head.reid_head.update(num_ids=_base_.num_ids, loss_id=dict(type="C2HEPLoss"))
if _base_.part2_weights:
    _base_.inet.roi_head.part2.init_cfg = _base_.part2_weights
model = _base_.inet
train_dataloader = dict(batch_sampler=dict(type="IdentityPairBatchSampler"))
load_from = _base_.oim_weights
