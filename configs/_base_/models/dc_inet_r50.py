# DC-I-Net on ResNet-50: conv5_x on the proposals for detection, and another on the refined boxes for Re-ID.
_base_ = "./inet_r50.py"

model = dict(
    roi_head=dict(
        _delete_=True,
        type="DisentangledRoIHead",
        bbox_roi_extractor=_base_.model.roi_head.bbox_roi_extractor,
        shared_head=_base_.model.roi_head.shared_head,
        bbox_head=_base_.model.roi_head.bbox_head,
        reid_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=(14, 7), sampling_ratio=2),
            out_channels=1024,
            featmap_strides=[16],
        ),
        part2=_base_.model.roi_head.shared_head,
        reid_head=dict(_base_.model.roi_head.reid_head, loss_id=dict(type="C2HEPLoss")),
    )
)
