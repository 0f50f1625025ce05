# Classes and boxes from the whole map.
_base_ = "./fdps_r18_synth.py"

model = dict(
    roi_head=dict(bbox_head=dict(type="PooledBBoxHead", pooling=dict(type="torch.nn.Flatten"), with_avg_pool=False))
)
