# KD_det (Munjal et al., BMVC 2019, section 4.1) with the paper's mu, gamma, lambda_Hint and temperature. MMDetection
# multiplies the soft losses by T^2 and divides them by the 2 classes, the paper does neither.
kd_det = dict(
    type="DistilledPersonSearchDetector",
    mu=0.5,
    loss_hint=dict(type="HintLoss", loss_weight=0.5),
    loss_soft=dict(type="mmdet.KnowledgeDistillationKLDivLoss", T=10, loss_weight=2 / 100),
    loss_bounded=dict(type="TeacherBoundedRegressionLoss", margin=0.0, loss_weight=0.5),
)
