# BoT on the plain ResNet-18: weights for OIM and its kin to start from (synth_weights.py).
_base_ = "./bot_r18ibn_synth.py"

model = dict(backbone=dict(ibn_stages=()))
