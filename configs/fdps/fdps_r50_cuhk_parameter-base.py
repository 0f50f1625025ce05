# 1x1 convolutions in place of the means and the maximum.
_base_ = "./fdps_r50_cuhk.py"

model = dict(
    roi_head=dict(
        bbox_head=dict(type="ConvDecompositionBBoxHead"),
        reid_head=dict(pooling=dict(_delete_=True, type="ConvPooling", channels=2048, size=(7, 7))),
    )
)
