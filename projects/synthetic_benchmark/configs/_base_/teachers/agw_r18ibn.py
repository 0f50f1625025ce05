# AGW at the size of the synthetic set. conv4_x has two blocks only, hence two non-local ones.
_base_ = "./bot_r18ibn.py"

teacher = dict(
    backbone=dict(type="NonLocalResNetIBN", num_non_local=(0, 2, 2, 0)),
    neck=dict(type="mmpretrain.GeneralizedMeanPooling"),
    head=dict(loss_triplet=dict(_delete_=True, type="WeightedRegularizedTripletLoss")),
)
