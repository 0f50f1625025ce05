import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope
from mmengine.structures import BaseDataElement, InstanceData
from random_cases import draw_case
from slow_evaluation import slow_detections

from mmpersonsearch.evaluation.metrics import DetectionMetric, person_search

KEYS = ("ap", "recall", "labelled/ap", "labelled/recall")


def evaluate(case, order=None, size=None, change=lambda samples: None, **kwargs):
    protocol, detections, _ = case
    samples = []
    for image, found in zip(protocol.images, detections):
        sample = BaseDataElement(metainfo=dict(img_id=image.img_id))
        sample.pred_instances = InstanceData(bboxes=found.bboxes, scores=found.scores)
        samples.append(sample)
    change(samples)
    with DefaultScope.overwrite_default_scope("mmpersonsearch"):
        evaluator = Evaluator(dict(type="DetectionMetric", **kwargs))
    evaluator.dataset_meta = dict(search_protocol=protocol)
    for i in range(len(samples)) if order is None else order:
        evaluator.process([samples[i]], None)
    return evaluator.evaluate(size or len(samples))


@pytest.mark.parametrize("det_thr", [0.5, 0.2])
def test_figures_are_those_of_the_definition(det_thr):
    case = draw_case(1)
    protocol, detections, _ = case
    metrics = evaluate(case, det_thr=det_thr)
    assert list(metrics) == [f"detection/{key}" for key in KEYS]
    everyone = slow_detections([i.bboxes for i in protocol.images], detections, det_thr=det_thr)
    labelled = [(i.bboxes[i.person_ids >= 0], d) for i, d in zip(protocol.images, detections)]
    labelled = slow_detections(*zip(*[(b, d) for b, d in labelled if len(b)]), det_thr=det_thr)
    assert list(metrics.values()) == pytest.approx([*everyone, *labelled], abs=1e-6)


def test_order_and_repetition_of_images_do_not_matter():
    case = draw_case(3)
    order = np.random.default_rng(0).permutation(12).tolist()
    assert evaluate(case, order + order[:5], size=17) == evaluate(case)


def test_missing_field_is_named():
    with pytest.raises(ValueError, match=r"image 'im2': pred_instances lacks scores"):
        evaluate(draw_case(4), change=lambda samples: samples[2].pred_instances.pop("scores"))


def test_image_without_result_is_named():
    with pytest.raises(ValueError, match="1 of 12 images have no result: im3"):
        evaluate(draw_case(4), [i for i in range(12) if i != 3])


def test_a_protocol_is_needed():
    metric = DetectionMetric()
    metric.dataset_meta = dict(classes=("person",))
    with pytest.raises(ValueError, match=r"search_protocol.*NoneType"):
        metric.compute_metrics([dict(img_id="a", bboxes=torch.zeros(0, 4), scores=torch.zeros(0))])


def keep_none(samples):
    for sample in samples:
        sample.pred_instances = sample.pred_instances[:0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, None),
        (dict(det_thr=1.1), "No detection has score >= 1.1, the highest is "),
        (dict(change=keep_none), "The model detected nothing: all metrics are 0"),
    ],
)
def test_a_model_that_detects_nothing_is_warned_of(monkeypatch, options, message):
    logged = []
    monkeypatch.setattr(person_search, "print_log", lambda text, *args: logged.append(text))
    evaluate(draw_case(4), **options)
    assert len(logged) == 1 + bool(message)
    assert message is None or logged[1].startswith(message)
