_base_ = [
    "../../../configs/_base_/models/inet_r18.py",
    "./_base_/tattoo_synth_size.py",
    "./_base_/tattoo_synth_oim_weights.py",
    "./_base_/tattoo_synth.py",
    "./_base_/tattoo_1600i.py",
    "../../../configs/_base_/iteration_runtime.py",
]

# 40 times the 16 sampled RoIs; a third of the identities
_base_.synth_size.roi_head.reid_head = dict(
    num_ids=_base_.num_ids, loss_pair=dict(dictionary_size=40 * 16), pool_size=50
)
model = _base_.synth_size
train_dataloader = dict(batch_sampler=dict(type="IdentityPairBatchSampler"))
load_from = _base_.oim_weights
