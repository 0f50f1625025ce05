# Without QSSE: the query's image does not change the maps.
_base_ = "./qeeps_r18_synth-mini.py"

model = dict(qsse=None)
