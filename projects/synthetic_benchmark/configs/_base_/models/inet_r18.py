# I-Net on ResNet-18 at the size of the synthetic set: overrides of faster-rcnn_r50.py. A config passes inet to
# model, with num_ids, and oim_weights to load_from. It starts from OIM_18 trained there, since the authors start from a
# network trained for person search; OIM_CHECKPOINT=none starts from faster-rcnn_r50.py's weights.
oim_checkpoint = "{{$OIM_CHECKPOINT:work_dirs/oim_r18_synth/iter_400.pth}}"
oim_weights = oim_checkpoint if oim_checkpoint != "none" else None
# DC-I-Net's Part-2 is another copy of OIM's shared head.
part2_weights = oim_weights and dict(type="Pretrained", checkpoint=oim_weights, prefix="roi_head.shared_head.")
inet = dict(
    type="PersonSearchDetector",
    backbone=dict(depth=18),
    rpn_head=dict(in_channels=128),
    roi_head=dict(
        type="CoupledRoIHead",
        bbox_roi_extractor=dict(out_channels=128),
        shared_head=dict(depth=18),
        bbox_head=dict(in_channels=512),
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
