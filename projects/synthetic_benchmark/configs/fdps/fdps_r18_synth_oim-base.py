# One feature for all tasks: the map's maximum.
_base_ = "./fdps_r18_synth.py"

model = dict(
    roi_head=dict(
        bbox_head=dict(
            type="PooledBBoxHead", pooling=dict(type="torch.nn.AdaptiveMaxPool2d", output_size=1), roi_feat_size=1
        )
    )
)
