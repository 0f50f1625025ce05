# KD_det (Munjal et al., BMVC 2019, section 4.1) with the paper's mu, gamma, lambda_Hint and temperature.
kd_det = dict(
    type="DistilledPersonSearchDetector",
    mu=0.5,
    loss_hint=dict(type="HintLoss", loss_weight=0.5),
    loss_soft=dict(type="SoftCrossEntropyLoss", temperature=10.0),
    loss_bounded=dict(type="TeacherBoundedRegressionLoss", margin=0.0, loss_weight=0.5),
)
