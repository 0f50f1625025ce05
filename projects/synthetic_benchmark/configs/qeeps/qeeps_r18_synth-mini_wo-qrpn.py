# Without QRPN: the RPN's own proposals.
_base_ = "./qeeps_r18_synth-mini.py"

model = dict(qrpn=None)
