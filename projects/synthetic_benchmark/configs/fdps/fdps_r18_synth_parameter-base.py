# 1x1 convolutions in place of the means and the maximum.
_base_ = "./fdps_r18_synth.py"

model = dict(
    roi_head=dict(
        bbox_head=dict(type="ConvDecompositionBBoxHead"),
        reid_head=dict(pooling=dict(_delete_=True, type="ConvPooling", channels=512, size=(4, 2))),
    )
)
