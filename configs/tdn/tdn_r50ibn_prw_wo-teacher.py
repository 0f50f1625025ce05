# TDN without a teacher.
_base_ = "./tdn_r50ibn_prw.py"

loss_id = dict(type="mmdet.CrossEntropyLoss")
reid_head = dict(_delete_=True, type="SoftmaxReIDHead", in_channels=2048, num_ids=_base_.num_ids, loss_id=loss_id)
model = dict(roi_head=dict(reid_head=reid_head))
custom_hooks = []
