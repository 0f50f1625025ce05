# I-Net on ResNet-18 for tattoos: overrides of the synthetic benchmark's faster-rcnn_r50.py; see inet_r18.py and
# oim_r18.py there and here.
oim_checkpoint = "{{$OIM_CHECKPOINT:work_dirs/oim_r18_tattoo-synth/iter_1600.pth}}"
oim_weights = oim_checkpoint if oim_checkpoint != "none" else None
# DC-I-Net's Part-2 is another copy of OIM's shared head.
part2_weights = oim_weights and dict(type="Pretrained", checkpoint=oim_weights, prefix="roi_head.shared_head.")
inet = dict(
    type="PersonSearchDetector",
    backbone=dict(depth=18),
    rpn_head=dict(in_channels=128, anchor_generator=dict(scales=[4, 7, 11, 17], ratios=[0.5, 1.0, 2.0])),
    roi_head=dict(
        type="CoupledRoIHead",
        bbox_roi_extractor=dict(roi_layer=dict(output_size=12), out_channels=128),
        shared_head=dict(depth=18),
        bbox_head=dict(in_channels=512, roi_feat_size=3),
        # The dictionary: 40 times the 16 sampled RoIs. The pool: a third of the identities.
        reid_head=dict(
            type="PairReIDHead",
            num_ids=None,
            in_channels=512,
            feat_channels=256,
            loss_pair=dict(type="OLPLoss", dictionary_size=40 * 16),
            loss_id=dict(type="HEPLoss"),
            pool_size=50,
            num_hardest=20,
        ),
    ),
)
