# BoT as the teacher of `make demo`: smaller crops and fewer iterations, therefore less augmentation, no validation.
_base_ = "./bot_r18ibn_synth.py"

_base_.train_pipeline[1].scale = _base_.test_pipeline[1].scale = (48, 96)
_base_.train_pipeline[3].update(crop_size=(96, 48), padding=4)
del _base_.train_pipeline[4]  # random erasing
train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
max_iters = 150
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
_base_.param_scheduler[1].end = max_iters
val_cfg = val_dataloader = val_evaluator = None
