# CUHK-SYSU: 11,206 training images, 6,978 test images, 2,900 queries with galleries of 100 images; treated as PRW.
_base_ = "./prw.py"

dataset_type = "CUHKSYSUDataset"
data_root = "{{$CUHK_ROOT:data/CUHK-SYSU/}}"
num_ids = 5532
queue_size = 5000
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root))
val_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, gallery_sizes=(100,)))
test_dataloader = val_dataloader
