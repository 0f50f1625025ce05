_base_ = "./dc_inet_r50_cuhk.py"

train_dataloader = dict(batch_size=8)
