"""Made-up records of the synthetic benchmark."""

from projects.synthetic_benchmark.run.data_stages import METRICS
from projects.synthetic_benchmark.run.methods import BUDGETS


def make_record(method, seed, mAP, curve=(), **changed):
    """The record of a run; its other metrics are 0.5."""
    record = dict(method=method, seed=seed, budget=BUDGETS[method], iterations=800, mAP=mAP, curve=curve)
    return dict.fromkeys(METRICS, 0.5) | record | dict(digest=f"{method}{seed}") | changed
