_base_ = "./dc_inet_vgg16_cuhk.py"

model = dict(roi_head=dict(reid_head=dict(pool_size=50)))
