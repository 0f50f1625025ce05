_base_ = "./tdn_r18ibn_pets09.py"

loss_id = dict(type="mmdet.CrossEntropyLoss")
reid_head = dict(_delete_=True, type="SoftmaxReIDHead", in_channels=512, num_ids=_base_.num_ids, loss_id=loss_id)
model = dict(roi_head=dict(reid_head=reid_head))
custom_hooks = []
