# OIM* at the size of the synthetic set; see tdn_r18ibn.py. Its Part-2, which all RoIs run through, keeps ResNet's last
# stride of 2: with TDN's, and half as many RoIs for it, it is worse (projects/synthetic_benchmark/notes).
_base_ = "./tdn_r18ibn.py"

# For variants with a teacher, who sees crops.
crop_extractor = _base_.model.roi_head.crop_extractor
model = dict(
    roi_head=dict(
        _delete_=True,
        type="CoupledRoIHead",
        bbox_roi_extractor=_base_.model.roi_head.reid_roi_extractor,
        shared_head=dict(_base_.model.roi_head.part2, last_stride=2),
        bbox_head=dict(
            type="mmdet.BBoxHead",
            with_avg_pool=True,
            in_channels=512,
            roi_feat_size=(4, 2),
            num_classes=1,
            bbox_coder=_base_.model.roi_head.bbox_head.bbox_coder,
            loss_cls=dict(type="mmdet.CrossEntropyLoss"),
            loss_bbox=dict(type="mmdet.L1Loss"),
        ),
        reid_head=dict(
            type="OIMReIDHead",
            in_channels=512,
            feat_channels=256,
            loss_id=dict(type="OIMLoss", momentum=0.5, scale=30.0),
        ),
    )
)
