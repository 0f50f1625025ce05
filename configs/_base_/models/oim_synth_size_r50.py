# The same on ResNet-50.
_base_ = "./oim_synth_size.py"

synth_size = dict(rpn_head=dict(in_channels=512), roi_head=dict(bbox_roi_extractor=dict(out_channels=512)))
