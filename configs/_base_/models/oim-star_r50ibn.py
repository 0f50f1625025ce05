# OIM*: the framework of OIM (Xiao et al., CVPR 2017) on ResNet-50-IBN, cut behind conv3_x as in the TDN paper:
# every RoI runs through Part-2; box head and Re-ID head read the same feature. The leaf sets queue_size.
_base_ = "./tdn_r50ibn.py"

# Crops for variants with a teacher.
crop_extractor = _base_.model.roi_head.crop_extractor
model = dict(
    roi_head=dict(
        _delete_=True,
        type="CoupledRoIHead",
        bbox_roi_extractor=_base_.model.roi_head.reid_roi_extractor,
        shared_head=_base_.model.roi_head.part2,
        bbox_head=dict(
            type="mmdet.BBoxHead",
            with_avg_pool=True,
            in_channels=2048,
            roi_feat_size=(8, 4),
            num_classes=1,
            bbox_coder=_base_.model.roi_head.bbox_head.bbox_coder,
            loss_cls=dict(type="mmdet.CrossEntropyLoss"),
            loss_bbox=dict(type="mmdet.L1Loss"),
        ),
        reid_head=dict(
            type="OIMReIDHead",
            num_ids=None,
            in_channels=2048,
            feat_channels=256,
            loss_id=dict(type="OIMLoss", momentum=0.5, scale=30.0),
        ),
    )
)
