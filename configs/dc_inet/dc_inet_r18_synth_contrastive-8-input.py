_base_ = "./dc_inet_r18_synth_contrastive.py"

train_dataloader = dict(batch_size=8)
