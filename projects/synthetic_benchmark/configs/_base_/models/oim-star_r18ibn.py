# OIM* at the size of the synthetic set; see tdn_r18ibn.py. Its Part-2, which all RoIs run through, keeps ResNet's last
# stride of 2: with TDN's, and half as many RoIs for it, it is worse (notes/lookup_table.md).
_base_ = ["../../../../../configs/_base_/models/tdn_r50ibn.py", "./tdn_r18ibn.py"]

parts = _base_.model.roi_head
# Crops for variants with a teacher.
crop_extractor = dict(parts.crop_extractor, roi_layer=dict(type="RoIAlign", output_size=(128, 64), sampling_ratio=2))
_base_.tdn.roi_head = dict(
    _delete_=True,
    type="CoupledRoIHead",
    bbox_roi_extractor=dict(
        type="SingleRoIExtractor",
        roi_layer=dict(type="RoIAlign", output_size=(16, 8), sampling_ratio=1),
        out_channels=128,
        featmap_strides=[8],
    ),
    shared_head=dict(type="ResNetIBN", depth=18, stages=(3, 4), last_stride=2, init_cfg=_base_.synth_init),
    bbox_head=dict(
        type="mmdet.BBoxHead",
        with_avg_pool=True,
        in_channels=512,
        roi_feat_size=(4, 2),
        num_classes=1,
        bbox_coder=parts.bbox_head.bbox_coder,
        loss_cls=dict(type="mmdet.CrossEntropyLoss"),
        loss_bbox=dict(type="mmdet.L1Loss"),
    ),
    reid_head=dict(
        type="OIMReIDHead",
        num_ids=None,
        in_channels=512,
        feat_channels=256,
        loss_id=dict(type="OIMLoss", momentum=0.5, scale=30.0),
    ),
)
model = _base_.tdn
