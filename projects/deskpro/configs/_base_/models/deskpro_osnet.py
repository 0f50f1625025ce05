# The streams of DeSKPro (Wu et al.) on OSNet x1.0, of which a config takes one or two. The weights are torchreid's,
# trained on ImageNet; epsilon and lambda are the paper's.
osnet_weights = "{{$OSNET_WEIGHTS:https://huggingface.co/CondadosAI/osnet-trackers/resolve/main/osnet_x1_0_imagenet.pth}}"
osnet_init = dict(type="Pretrained", checkpoint=osnet_weights)

data_preprocessor = dict(
    type="StreamsDataPreprocessor",
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)
head = dict(
    type="LightMBNReIDHead",
    num_ids=None,
    in_channels=512,
    feat_channels=512,
    loss_id=dict(type="mmpretrain.LabelSmoothLoss", label_smooth_val=0.1, mode="original"),
    loss_triplet=dict(type="mmdet.TripletLoss", margin=0.7),
)
# Without CSA; with CSA; with CSA and L_att
plain_stream = dict(type="LightMBN", backbone=dict(type="MultiBranchOSNet", width=1.0, init_cfg=osnet_init), head=head)
csa_stream = dict(type="LightMBN", backbone=dict(type="AttentiveOSNet", width=1.0, init_cfg=osnet_init), head=head)
body_stream = dict(
    type="MaskGuidedLightMBN",
    backbone=dict(type="AttentiveOSNet", width=1.0, init_cfg=osnet_init),
    head=head,
    loss_attention=dict(type="MaskGuidedAttentionLoss", eps=0.1, loss_weight=7.0),
)
# The face stream that teaches
face_teacher = dict(
    type="TwoStreamReID",
    data_preprocessor=data_preprocessor,
    face=plain_stream,
    face_input="restored_face",
)
