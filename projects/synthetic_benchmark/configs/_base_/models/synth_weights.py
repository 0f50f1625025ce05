# Starting weights of the synthetic set's Re-ID models: random, or in place of the papers' ImageNet weights
# SYNTH_WEIGHTS, a checkpoint of a Re-ID model on the same backbone (bot_*_synth.py) and another synthetic set.
synth_weights = "{{$SYNTH_WEIGHTS:none}}"
synth_init = dict(type="Pretrained", checkpoint=synth_weights, prefix="backbone.") if synth_weights != "none" else None
