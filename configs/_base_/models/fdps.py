# FDPS (Yang et al.): boxes from the marginal distributions of OIM's RoI map, classes from its mean, the embedding from
# its maximum. A model base hands it to OIM's.
fdps = dict(
    roi_head=dict(
        bbox_head=dict(type="FeatureDecompositionBBoxHead"),
        reid_head=dict(
            pooling=dict(type="torch.nn.AdaptiveMaxPool2d", output_size=1),
            loss_id=dict(scale=30.0),
        ),
    )
)
