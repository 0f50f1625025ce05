"""Metrics of several data sets at once: each is measured as it is alone."""

import numpy as np
import pytest
from distributed import run_in_two_processes
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
from random_cases import draw_case
from test_person_search_metric import RCP, data_samples, evaluate

from mmpersonsearch.evaluation.metrics import DetectionMetric, PersonSearchMetric
from mmpersonsearch.evaluation.metrics.search_results import DumpPredictions
from mmpersonsearch.evaluation.predictions import read_predictions
from mmpersonsearch.utils.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore:queries skipped")


def draw_cases():
    """Cases of different protocols and lengths whose images have the same names."""
    return {"a": draw_case(1, galleries=(4, 8)), "b": draw_case(2, num_images=7, num_queries=5)}


def evaluate_jointly(metrics, cases, order=None, mark=True):
    evaluator = Evaluator(metrics)
    metas = {name: dict(classes=("person",), search_protocol=case[0]) for name, case in cases.items()}
    evaluator.dataset_meta = dict(classes=("person",), data_sets=metas)
    samples = []
    for name, case in cases.items():
        of_set = data_samples(*case)
        for sample in of_set if mark else ():
            sample.set_metainfo(dict(data_set=name))
        samples += of_set
    for i in range(len(samples)) if order is None else order:
        evaluator.process([samples[i]], None)
    return evaluator.evaluate(len(samples))


def alone(cases, make):
    return {f"{name}/{key}": value for name, case in cases.items() for key, value in evaluate(make(), case).items()}


@pytest.mark.parametrize(
    "make", [lambda: PersonSearchMetric(rankings=[None, RCP], det_thr=0.2, topk=(1, 3)), lambda: DetectionMetric(0.2)]
)
def test_each_set_is_measured_as_it_is_alone(make):
    cases = draw_cases()
    expected = alone(cases, make)
    assert {"a/detection/ap", "b/detection/labelled/recall"} <= expected.keys()
    assert expected["a/detection/ap"] != expected["b/detection/ap"]
    metric = make()
    order = np.random.default_rng(0).permutation(19)
    assert evaluate_jointly(metric, cases, [*order, *order[:3]]) == expected
    assert list(metric.by_data_set) == ["a", "b"] and metric.data_set is None


def test_protocols_are_recorded_apart():
    cases = draw_cases()
    metric = PersonSearchMetric(rankings=[None, RCP])
    evaluate_jointly(metric, cases)
    records = {name: one.protocol_record for name, one in metric.by_data_set.items()}
    assert metric.protocol_record is None
    assert (records["a"]["galleries"], records["b"]["galleries"]) == ([4, 8], "all")
    assert (records["a"]["num_images"], records["b"]["num_images"]) == (12, 7)


def test_each_set_has_its_own_predictions(tmp_path):
    cases = draw_cases()
    found = evaluate_jointly(DumpPredictions(str(tmp_path / "all.v1.pkl"), {}), cases)
    assert found == {}
    assert {path.name for path in tmp_path.iterdir()} == {"all.v1_a.pkl", "all.v1_b.pkl"}
    for name, (protocol, detections, query_feats) in cases.items():
        read = read_predictions(tmp_path / f"all.v1_{name}.pkl", protocol)
        assert read.query_feats.tolist() == query_feats.tolist()
        assert [d.scores.tolist() for d in read.detections] == [d.scores.tolist() for d in detections]


def test_samples_must_name_their_set():
    with pytest.raises(InputError, match=r"do not name their data set: meta_keys of .* needs 'data_set'"):
        evaluate_jointly(PersonSearchMetric(), draw_cases(), mark=False)


def measure_on_a_rank(rank, expected):
    order = list(DefaultSampler(range(19), shuffle=False))  # of 19 images, the second process repeats one
    assert evaluate_jointly(PersonSearchMetric(rankings=[None, RCP]), draw_cases(), order) == expected


def test_two_processes_equal_one():
    run_in_two_processes(measure_on_a_rank, alone(draw_cases(), lambda: PersonSearchMetric(rankings=[None, RCP])))
