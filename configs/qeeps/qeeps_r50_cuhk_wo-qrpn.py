# Without QRPN: the RPN's own proposals.
_base_ = "./qeeps_r50_cuhk.py"

model = dict(qrpn=None)
