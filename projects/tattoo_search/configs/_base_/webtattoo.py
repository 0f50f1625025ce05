# WebTattoo (Han et al., TPAMI 2019) in COCO's form, see the README: 1,428 training images, 200 queries in 200 images
# (camera 1), a gallery of 355 images (camera 2).
_base_ = "../../../../configs/_base_/datasets/prw_600.py"

dataset_type = "CocoPersonSearchDataset"
data_root = "{{$WEBTATTOO_ROOT:data/webtattoo/}}"
metainfo = dict(classes=("tattoo",), palette=[(0, 114, 178)])
num_ids = 400
tattoos = dict(
    _delete_=True, type=dataset_type, data_root=data_root, data_prefix=dict(img_path="images"), metainfo=metainfo
)
test_files = dict(ann_file="test.json", query_file="test_queries.json", cross_camera=True)

train_dataloader = dict(dataset=dict(**tattoos, ann_file="train.json", pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(**tattoos, **test_files, pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(rankings=[None])
test_evaluator = val_evaluator
