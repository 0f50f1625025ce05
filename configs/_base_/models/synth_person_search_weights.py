# What I-Net and DC-I-Net start from on the synthetic set: OIM_18 trained there, in the place of the network trained for
# person search that the authors start from. "none" starts from synth_weights.py's. A leaf hands them on.
oim_checkpoint = "{{$OIM_CHECKPOINT:work_dirs/oim_r18_synth/iter_400.pth}}"
oim_weights = oim_checkpoint if oim_checkpoint != "none" else None
# DC-I-Net's Part-2 is another copy of OIM's shared head.
part2_weights = oim_weights and dict(type="Pretrained", checkpoint=oim_weights, prefix="roi_head.shared_head.")
