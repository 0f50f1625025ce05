# PRW and CUHK-SYSU together, for OIM, both at the size of prw_600.py. Each set is evaluated by its own protocol.
_base_ = "./prw_600.py"

num_ids = 483 + 5532
queue_size = 500 + 5000
cuhk = dict(type="CUHKSYSUDataset", data_root="{{$CUHK_ROOT:data/CUHK-SYSU/}}")
cuhk_train = dict(**cuhk, split="train", pipeline=_base_.train_pipeline)
cuhk_test = dict(**cuhk, split="test", gallery_sizes=(100,), pipeline=_base_.test_pipeline)
train = dict(prw=_base_.train_dataloader.dataset, cuhk=cuhk_train)
test = dict(prw=_base_.val_dataloader.dataset, cuhk=cuhk_test)

train_dataloader = dict(dataset=dict(_delete_=True, type="JointPersonSearchDataset", datasets=train))
val_dataloader = dict(dataset=dict(_delete_=True, type="JointPersonSearchDataset", datasets=test))
test_dataloader = val_dataloader
