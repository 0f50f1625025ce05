# Partially disentangled framework alone: neither teacher nor KTB.
_base_ = "./tdn_r18ibn_synth.py"

loss_id = dict(type="mmdet.CrossEntropyLoss")
reid_head = dict(_delete_=True, type="SoftmaxReIDHead", in_channels=512, num_ids=_base_.num_ids, loss_id=loss_id)
model = dict(roi_head=dict(bridge=None, crop_extractor=None, reid_head=reid_head))
custom_hooks = []
