# What the backbones of the synthetic set's models start from: nothing, or in the place that ImageNet's weights have in
# the papers, a checkpoint of a Re-ID model on the same backbone (configs/reid/bot_*_synth.py).
synth_weights = "{{$SYNTH_WEIGHTS:none}}"
synth_init = dict(type="Pretrained", checkpoint=synth_weights, prefix="backbone.") if synth_weights != "none" else None
