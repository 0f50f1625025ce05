_base_ = "./dc_inet_r18_synth.py"

train_dataloader = dict(batch_size=8)
