# The streams of DeSKPro on OSNet x0.25, from scratch, for small pictures.
_base_ = "./deskpro_osnet.py"

backbone = dict(width=0.25, init_cfg=None)
head = dict(in_channels=128)
plain_stream = dict(backbone=backbone, head=head)
csa_stream = dict(backbone=backbone, head=head)
body_stream = dict(backbone=backbone, head=head)
face_teacher = dict(face=plain_stream)
