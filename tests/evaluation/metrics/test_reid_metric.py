"""ReIDMetric: what it takes from a test loop, its keys, and its picture of the worst queries."""

import numpy as np
import pytest
import torch
from mmdet.structures import ReIDDataSample
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from PIL import Image

from mmpersonsearch.cli.test import draw_detections
from mmpersonsearch.evaluation import ReIDImages, evaluate_reid
from mmpersonsearch.evaluation.metrics import ReIDMetric, reid
from mmpersonsearch.registry import METRICS


def draw_samples(folder, number=24):
    rng = np.random.default_rng(0)
    samples = []
    for i in range(number):
        path = folder / ("query" if i % 4 == 0 else "gallery") / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 16), (10 * i, 90, 90)).save(path)
        facts = dict(person_id=i // 4 % 3, camera_id=int(i % 4), clothes_id=int(i % 4 == 3), is_query=i % 4 == 0)
        sample = ReIDDataSample(metainfo=dict(img_path=str(path), **facts))
        sample.pred_feature = torch.tensor(rng.normal(size=6))
        samples.append(sample)
    return samples


def images_of(samples, is_query):
    own = [sample for sample in samples if sample.is_query == is_query]
    ids = [[sample.get(key) for sample in own] for key in ("person_id", "camera_id", "clothes_id")]
    return ReIDImages(torch.stack([sample.pred_feature for sample in own]), *ids)


def test_metrics_of_each_protocol_and_of_the_first_without_a_name(tmp_path, caplog):
    samples = draw_samples(tmp_path)
    metric = METRICS.build(dict(type="ReIDMetric", protocols=("cross-clothes", "same-clothes"), topk=(1, 2)))
    evaluator = Evaluator(metric)
    for start in range(0, 24, 7):
        evaluator.process(data_samples=samples[start : start + 7], data_batch=None)
    found = evaluator.evaluate(24)
    for protocol, prefixes in (("cross-clothes", ("", "cross-clothes/")), ("same-clothes", ("same-clothes/",))):
        expected = evaluate_reid(images_of(samples, True), images_of(samples, False), protocol, (1, 2))
        for prefix in prefixes:
            assert found.pop(f"reid/{prefix}mAP") == expected.mAP
            assert [found.pop(f"reid/{prefix}R-{k}") for k in (1, 2)] == list(expected.topk.values())
    assert not found


def test_worst_queries_are_drawn_beside_their_best_matches(tmp_path, monkeypatch):
    samples = draw_samples(tmp_path)
    figures = []
    draw = reid.draw_crop_ranking
    monkeypatch.setattr(reid, "draw_crop_ranking", lambda *args: figures.append(draw(*args)))
    metric = ReIDMetric(show_dir=str(tmp_path / "show"), num_shown=2, show_topk=3, topk=(1,))
    metric.process(None, [sample.to_dict() for sample in samples])
    metric.compute_metrics(metric.results)
    assert (tmp_path / "show/ranking.png").is_file()
    found = evaluate_reid(images_of(samples, True), images_of(samples, False))
    first = int(found.query_inds[found.aps.argmin()])
    cells = figures[0].axes
    assert len(cells) == 2 * (1 + 3)
    assert cells[0].get_title(loc="left") == (
        f"query {first}, person {first % 3}, camera 0, AP {100 * found.aps.min():.1f}%"
    )
    assert cells[0].images[0].get_array()[0, 0, 0] == 40 * first  # the query's own picture
    order = np.argsort(-_cosines(samples, first))[:3]
    for cell, place in zip(cells[1:4], order):
        own = [sample for sample in samples if not sample.is_query][place]
        assert cell.images[0].get_array()[0, 0, 0] == 10 * int(own.img_path.split("/")[-1][:-4])
        assert ("✓" in cell.texts[0].get_text()) == (own.person_id == first % 3)


def _cosines(samples, query_ind):
    feats = [torch.nn.functional.normalize(images_of(samples, one).feats, dim=1) for one in (True, False)]
    return (feats[0][query_ind] @ feats[1].T).numpy()


def test_draws_and_dot_products_are_passed_on(tmp_path):
    samples = draw_samples(tmp_path)
    metric = ReIDMetric(num_draws=3, seed=5, normalize=False)
    metric.process(None, [sample.to_dict() for sample in samples])
    expected = evaluate_reid(images_of(samples, True), images_of(samples, False), normalize=False, num_draws=3, seed=5)
    assert metric.compute_metrics(metric.results)["mAP"] == expected.mAP


def test_bad_input_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"protocols must be some of .*got 'standard'"):
        ReIDMetric(protocols="standard")
    with pytest.raises(ValueError, match="a sample lacks pred_feature, is_query, img_path"):
        ReIDMetric().process(None, [dict(person_id=1, camera_id=2)])
    metric = ReIDMetric()
    metric.process(None, [sample.to_dict() for sample in draw_samples(tmp_path)[1:4]])
    with pytest.raises(ValueError, match="0 queries and 3 gallery images"):
        metric.compute_metrics(metric.results)


def test_show_dir_of_the_test_command_is_the_metrics():
    config = Config(dict(test_evaluator=dict(type="ReIDMetric"), default_hooks={}))
    draw_detections(config, "pictures")
    assert METRICS.build(config.test_evaluator).show_dir == "pictures"
