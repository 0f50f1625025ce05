# PoseTrack21 (posetrack21.py) for OIM, at the size of prw_600.py.
_base_ = "./prw_600.py"

data_root = "{{$POSETRACK21_ROOT:data/PoseTrack21/}}"
num_ids = None  # counted in the training set
queue_size = 5000
scenes = dict(_delete_=True, type="CocoPersonSearchDataset", data_root=data_root)
test = dict(ann_file="coco/test.json", query_file="coco/test_queries.json", pipeline=_base_.test_pipeline, **scenes)

train_dataloader = dict(dataset=dict(ann_file="coco/train.json", pipeline=_base_.train_pipeline, **scenes))
val_dataloader = dict(dataset=test)
test_dataloader = val_dataloader
