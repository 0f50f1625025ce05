# Without QSSE: the query's image does not change the maps.
_base_ = "./qeeps_r50_cuhk.py"

model = dict(qsse=None)
