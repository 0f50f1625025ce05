# PRCC: a person wears the same clothes in cameras A and B, other ones in C. The gallery is of A, one image of each
# person, drawn ten times; queries of C have matches across clothes, those of B in the same clothes.
_base_ = "./celeb-reid.py"

data_root = "{{$PRCC_ROOT:data/prcc/}}"
clothes = ((1, 2),)
train_dataloader = dict(dataset=dict(data_root=data_root, same_clothes_cameras=clothes))
val_dataloader = dict(dataset=dict(data_root=data_root, same_clothes_cameras=clothes))
test_dataloader = val_dataloader
val_evaluator = dict(protocols=("cross-clothes", "same-clothes"), num_draws=10)
test_evaluator = val_evaluator
