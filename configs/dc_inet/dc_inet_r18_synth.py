_base_ = [
    "../_base_/models/dc_inet_r18.py",
    "../_base_/models/oim_synth_size.py",
    "../_base_/models/synth_person_search_weights.py",
    "../_base_/datasets/synth.py",
    "../_base_/schedules/synth_400i_memories.py",
    "../_base_/iteration_runtime.py",
]

# 40 times the 16 sampled RoIs; a third of the identities
_base_.synth_size.roi_head.reid_head = dict(
    num_ids=_base_.num_ids, loss_pair=dict(dictionary_size=40 * 16), pool_size=50
)
_base_.synth_size.roi_head.update(
    part2=dict(_base_.synth_size.roi_head.shared_head, init_cfg=_base_.part2_weights or _base_.synth_init),
    reid_roi_extractor=_base_.synth_size.roi_head.bbox_roi_extractor,
    max_rois_per_img=8,
)
model = _base_.synth_size
train_dataloader = dict(batch_sampler=dict(type="IdentityPairBatchSampler"))
load_from = _base_.oim_weights
