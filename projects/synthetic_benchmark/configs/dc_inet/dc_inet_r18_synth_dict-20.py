_base_ = "./dc_inet_r18_synth.py"

model = dict(roi_head=dict(reid_head=dict(loss_pair=dict(dictionary_size=20 * 16))))
