# DC-I-Net on VGG-16: fully connected layers on the proposals for detection, and others on the refined boxes for Re-ID.
_base_ = "./inet_vgg16.py"

model = dict(
    roi_head=dict(
        _delete_=True,
        type="DisentangledRoIHead",
        bbox_roi_extractor=_base_.model.roi_head.bbox_roi_extractor,
        bbox_head=dict(
            type="mmdet.Shared2FCBBoxHead",
            in_channels=512,
            fc_out_channels=4096,
            roi_feat_size=7,
            num_classes=1,
            bbox_coder=_base_.model.roi_head.bbox_head.bbox_coder,
            loss_cls=_base_.model.roi_head.bbox_head.loss_cls,
            loss_bbox=_base_.model.roi_head.bbox_head.loss_bbox,
        ),
        reid_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=(14, 7), sampling_ratio=2),
            out_channels=512,
            featmap_strides=[16],
        ),
        part2=dict(type="FCLayers", in_channels=512, roi_feat_size=(14, 7)),
        reid_head=dict(_base_.model.roi_head.reid_head, loss_id=dict(type="C2HEPLoss")),
    )
)
