# TDN at the size of the synthetic set: ResNet-18-IBN, crops of 128x64, base feature maps of 16x8. Part-2 has a last
# stride of 1, so that its map is the paper's 8x4. A config passes it to model, on top of
# configs/_base_/models/tdn_r50ibn.py.
synth_weights = "{{$SYNTH_WEIGHTS:none}}"
synth_init = dict(type="Pretrained", checkpoint=synth_weights, prefix="backbone.") if synth_weights != "none" else None
tdn = dict(
    backbone=dict(depth=18, init_cfg=synth_init),
    rpn_head=dict(in_channels=128, feat_channels=128, anchor_generator=dict(scales=[3, 5, 8, 13])),
    roi_head=dict(
        bbox_roi_extractor=dict(roi_layer=dict(sampling_ratio=1), out_channels=128),
        bbox_head=dict(in_channels=128, fc_out_channels=256),
        crop_extractor=dict(roi_layer=dict(output_size=(128, 64), sampling_ratio=2)),
        bridge=dict(depth=18, init_cfg=synth_init),
        reid_roi_extractor=dict(roi_layer=dict(output_size=(16, 8), sampling_ratio=1), out_channels=128),
        part2=dict(depth=18, last_stride=1, init_cfg=synth_init),
        reid_head=dict(in_channels=512),
        max_rois_per_img=8,
    ),
    train_cfg=dict(rpn_proposal=dict(nms_pre=500, max_per_img=64), rcnn=dict(sampler=dict(num=32))),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=64)),
)
