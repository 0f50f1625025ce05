# Without a dictionary the priority classes are those of the batch and random ones.
_base_ = "./dc_inet_r18_synth.py"

model = dict(
    roi_head=dict(
        reid_head=dict(
            loss_pair=dict(_delete_=True, type="BatchHardTripletLoss"), loss_id=dict(type="HEPLoss"), num_hardest=0
        )
    )
)
