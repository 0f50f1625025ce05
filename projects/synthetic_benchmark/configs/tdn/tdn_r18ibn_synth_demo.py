# TDN as `make demo` trains it: smaller crops, fewer of them, fewer iterations, no validation beside the test.
_base_ = "./tdn_r18ibn_synth.py"

model = dict(
    roi_head=dict(
        crop_extractor=dict(roi_layer=dict(output_size=(96, 48))),
        reid_roi_extractor=dict(roi_layer=dict(output_size=(12, 6))),
        max_rois_per_img=6,
    )
)
max_iters = 250
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=20),
    dict(type="CosineAnnealingLR", by_epoch=False, begin=20, end=max_iters, eta_min=1e-6),
]
custom_hooks = [dict(_base_.loss_weight_schedule, milestones=[(100, 5.0), (170, 1.0)])]
val_cfg = val_dataloader = val_evaluator = None
