# The synthetic set's schedule at a gentler rate: a memory of features cannot follow a network that changes quickly.
_base_ = "./synth_400i.py"

optim_wrapper = dict(optimizer=dict(lr=3e-4))
