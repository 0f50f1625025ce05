# What the Re-ID models of the synthetic set start from: nothing, or in the place that ImageNet's weights have in the
# papers, SYNTH_WEIGHTS, a checkpoint of a Re-ID model on the same backbone (bot_*_synth.py) and another synthetic set.
synth_weights = "{{$SYNTH_WEIGHTS:none}}"
synth_init = dict(type="Pretrained", checkpoint=synth_weights, prefix="backbone.") if synth_weights != "none" else None
