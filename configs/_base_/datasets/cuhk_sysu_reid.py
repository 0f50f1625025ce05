# Crops of CUHK-SYSU's labelled persons.
_base_ = "./crops.py"

data_root = "{{$CUHK_REID_ROOT:data/CUHK-SYSU_reid/}}"
num_ids = 5532
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
