# Celeb-reID-light, in which each image of a person shows other clothes.
_base_ = "./celeb-reid.py"

data_root = "{{$CELEB_REID_LIGHT_ROOT:data/celeb-reid-light/}}"
train_dataloader = dict(dataset=dict(data_root=data_root))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = val_dataloader
