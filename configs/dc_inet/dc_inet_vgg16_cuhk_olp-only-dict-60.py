_base_ = "./dc_inet_vgg16_cuhk.py"

model = dict(roi_head=dict(reid_head=dict(loss_pair=dict(dictionary_size=60 * 128), loss_id=dict(loss_weight=0.0))))
