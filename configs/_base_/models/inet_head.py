# Re-ID head of I-Net (Zhang et al., "Tasks Integrated Networks"). A config gives in_channels and num_ids.
pair_head = dict(
    type="PairReIDHead",
    num_ids=None,
    feat_channels=256,
    loss_pair=dict(type="OLPLoss", dictionary_size=40 * 128),
    loss_id=dict(type="HEPLoss"),
    pool_size=100,
    num_hardest=20,
)
