# Tattoos are about as wide as high: RoIs of 12x12 and anchors of these shapes, of 32 to 136 pixels, where persons have
# 16x8 and upright ones.
_base_ = "../../../../configs/_base_/models/oim_synth_size.py"

synth_size = dict(
    rpn_head=dict(anchor_generator=dict(scales=[4, 7, 11, 17], ratios=[0.5, 1.0, 2.0])),
    roi_head=dict(
        bbox_roi_extractor=dict(roi_layer=dict(output_size=12)),
        bbox_head=dict(roi_feat_size=3),
    ),
)
