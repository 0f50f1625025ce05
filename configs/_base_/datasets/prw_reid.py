# Crops of PRW's labelled persons.
_base_ = "./crops.py"

data_root = "{{$PRW_REID_ROOT:data/PRW_reid/}}"
num_ids = 483
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
