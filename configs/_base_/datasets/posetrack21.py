# PoseTrack21 in the form that `mmpersonsearch to-coco` gives it (docs/guide/data.md), at TDN's size. Its page names no
# number of identities: they are counted.
_base_ = "./coco_person_search.py"

data_root = "{{$POSETRACK21_ROOT:data/PoseTrack21/}}"
queue_size = 5000
files = dict(data_root=data_root, data_prefix=dict(img_path=""))

train_dataloader = dict(dataset=dict(ann_file="coco/train.json", **files))
val_dataloader = dict(dataset=dict(ann_file="coco/test.json", query_file="coco/test_queries.json", **files))
test_dataloader = val_dataloader
