# The teacher's loss on all final boxes, those on nobody too (equation 2 to the letter).
_base_ = "./tdn_r50ibn_prw.py"

model = dict(roi_head=dict(distill_on="final"))
