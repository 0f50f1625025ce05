# AGW (Ye et al.): BoT with non-local blocks, generalised-mean pooling and the weighted regularised triplet loss.
# The leaf gives num_ids.
_base_ = "./bot_r50ibn.py"

teacher = dict(
    backbone=dict(type="NonLocalResNetIBN", num_non_local=(0, 2, 3, 0)),
    neck=dict(type="mmpretrain.GeneralizedMeanPooling"),
    head=dict(loss_triplet=dict(_delete_=True, type="WeightedRegularizedTripletLoss")),
)
