# DC-I-Net on ResNet-50: conv5_x on the proposals for detection, and another on the refined boxes for Re-ID. A config
# hands it to model, on top of faster-rcnn_r50-c4.py, with num_ids.
pretrained_part2 = "{{$R50_WEIGHTS:https://download.pytorch.org/models/resnet50-0676ba61.pth}}"
init_part2 = dict(type="Pretrained", checkpoint=pretrained_part2)
dc_inet = dict(
    type="PersonSearchDetector",
    backbone=dict(frozen_stages=1),
    roi_head=dict(
        type="DisentangledRoIHead",
        reid_roi_extractor=dict(
            type="SingleRoIExtractor",
            roi_layer=dict(type="RoIAlign", output_size=(14, 7), sampling_ratio=2),
            out_channels=1024,
            featmap_strides=[16],
        ),
        part2=dict(type="ResNetIBN", depth=50, stages=(4,), ibn_stages=(), init_cfg=init_part2),
        reid_head=dict(
            type="PairReIDHead",
            num_ids=None,
            in_channels=2048,
            feat_channels=256,
            loss_pair=dict(type="OLPLoss", dictionary_size=40 * 128),
            loss_id=dict(type="C2HEPLoss"),
            pool_size=100,
            num_hardest=20,
        ),
    ),
    test_cfg=dict(rpn=dict(max_per_img=128)),
)
