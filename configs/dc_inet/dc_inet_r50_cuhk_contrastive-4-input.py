_base_ = "./dc_inet_r50_cuhk.py"

model = dict(
    roi_head=dict(
        reid_head=dict(
            loss_pair=dict(_delete_=True, type="ContrastiveLoss"), loss_id=dict(loss_weight=0.0), num_hardest=0
        )
    )
)
train_dataloader = dict(batch_size=4)
