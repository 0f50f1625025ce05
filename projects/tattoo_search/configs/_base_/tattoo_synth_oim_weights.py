# What I-Net and DC-I-Net start from: OIM trained on the drawn tattoos, as synth_person_search_weights.py has it for
# persons. "none" starts from synth_weights.py's.
oim_checkpoint = "{{$OIM_CHECKPOINT:work_dirs/oim_r18_tattoo-synth/iter_1600.pth}}"
oim_weights = oim_checkpoint if oim_checkpoint != "none" else None
# DC-I-Net's Part-2 is another copy of OIM's shared head.
part2_weights = oim_weights and dict(type="Pretrained", checkpoint=oim_weights, prefix="roi_head.shared_head.")
