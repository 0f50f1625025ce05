import numpy as np
import pytest
import torch
from distributed import run_in_two_processes
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope
from mmengine.structures import BaseDataElement, InstanceData
from random_cases import draw_case
from slow_evaluation import slow_detections, slow_rcp

from mmpersonsearch.evaluation import RankingWithContextPersons
from mmpersonsearch.evaluation.metrics import PersonSearchMetric
from mmpersonsearch.evaluation.metrics import person_search as metric_module
from mmpersonsearch.testing import slow_search

pytestmark = pytest.mark.filterwarnings("ignore:queries skipped")
RCP = dict(type="RankingWithContextPersons")


def data_samples(protocol, detections, query_feats):
    """What a model gives for each image of the protocol."""
    samples = []
    for image, found in zip(protocol.images, detections):
        query_ids = [i for i, q in enumerate(protocol.queries) if q.img_id == image.img_id]
        sample = BaseDataElement(metainfo=dict(img_id=image.img_id))
        sample.pred_instances = found.clone()
        sample.pred_instances.labels = torch.zeros(len(found.scores), dtype=torch.int64)
        sample.query_instances = InstanceData(
            query_ids=torch.tensor(query_ids, dtype=torch.int64), reid_feats=query_feats[query_ids]
        )
        samples.append(sample)
    return samples


def evaluate(metric, case, order=None, size=None):
    samples = data_samples(*case)
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = dict(classes=("person",), search_protocol=case[0])
    for i in range(len(samples)) if order is None else order:
        evaluator.process([samples[i]], None)
    return evaluator.evaluate(len(samples) if size is None else size)


def test_figures_are_those_of_the_definition():
    case = draw_case(1)
    metrics = evaluate(PersonSearchMetric(rankings=[None, RCP], topk=(1, 3)), case)
    protocol, detections, _ = case
    for stem, rerank in (("", None), ("rcp/", slow_rcp(*case, 0.5, 0.3, 0.2))):
        mAP, topk, *_ = slow_search(*case, topk=(1, 3), rerank=rerank)
        assert metrics[f"person_search/{stem}mAP"] == pytest.approx(mAP, abs=1e-6)
        assert metrics[f"person_search/{stem}top-1"] == pytest.approx(topk[1])
        assert metrics[f"person_search/{stem}top-3"] == pytest.approx(topk[3])
    everyone = slow_detections([i.bboxes for i in protocol.images], detections)
    labelled = [(i.bboxes[i.person_ids >= 0], d) for i, d in zip(protocol.images, detections)]
    labelled = slow_detections(*zip(*[(b, d) for b, d in labelled if len(b)]))
    assert (metrics["detection/ap"], metrics["detection/recall"]) == pytest.approx(everyone, abs=1e-6)
    got = (metrics["detection/labelled/ap"], metrics["detection/labelled/recall"])
    assert got == pytest.approx(labelled, abs=1e-6)
    assert len(metrics) == 10
    assert all(isinstance(value, float) for value in metrics.values())


def test_all_sizes_and_rankings_in_one_run():
    case = draw_case(2, galleries=(4, 8))
    with DefaultScope.overwrite_default_scope("mmpersonsearch"):
        metrics = evaluate(dict(type="PersonSearchMetric", rankings=[None, RCP], topk=(1,)), case)
    keys = [f"person_search/{g}{r}{f}" for g in ("", "g4/", "g8/") for r in ("", "rcp/") for f in ("mAP", "top-1")]
    assert set(keys) == {key for key in metrics if key.startswith("person_search")}
    for size in (4, 8):
        assert metrics[f"person_search/g{size}/mAP"] == pytest.approx(slow_search(*case, size=size)[0], abs=1e-6)
    assert metrics["person_search/rcp/mAP"] == metrics["person_search/g4/rcp/mAP"]


def test_order_and_repetition_of_images_do_not_matter():
    case = draw_case(3)
    expected = evaluate(PersonSearchMetric(), case)
    order = np.random.default_rng(0).permutation(12).tolist()
    assert evaluate(PersonSearchMetric(), case, order + order[:5], size=17) == expected


def test_only_rankings_other_than_similarity():
    metrics = evaluate(PersonSearchMetric(rankings=[RankingWithContextPersons(name="mine")]), draw_case(4))
    assert "person_search/mine/mAP" in metrics and "person_search/mAP" not in metrics


def test_prefix():
    metrics = evaluate(PersonSearchMetric(prefix="val"), draw_case(4))
    assert all(key.startswith(("val/person_search/", "val/detection/")) for key in metrics)


def test_logs_a_table(monkeypatch):
    logged = []
    monkeypatch.setattr(metric_module, "print_log", lambda text, logger: logged.append(text))
    metrics = evaluate(PersonSearchMetric(rankings=[None, RCP]), draw_case(5, galleries=(4, 8)))
    (table,) = logged
    lines = [line for line in table.splitlines() if line.split()[:2] in (["4", "rcp"], ["8", "rcp"])]
    assert len(lines) == 2 and f"{100 * metrics['person_search/g8/rcp/mAP']:.2f}" in lines[1]
    assert f"AP {100 * metrics['detection/ap']:.2f}" in table
    assert "rcp = RankingWithContextPersons(threshold=0.3, weight=0.2)" in table


def run_rank(rank, out_file, num_images):
    case = draw_case(6, num_images=num_images)
    order = list(DefaultSampler(range(num_images), shuffle=False))
    metrics = evaluate(PersonSearchMetric(rankings=[None, RCP]), case, order)
    # Every process gets the same figures, for hooks that save the best checkpoint.
    torch.save(metrics, f"{out_file}{rank}")


def test_two_processes_equal_one(tmp_path):
    # 13 images: the sampler pads the second process's share with an image that the first has.
    run_in_two_processes(run_rank, tmp_path / "metrics", 13)
    expected = evaluate(PersonSearchMetric(rankings=[None, RCP]), draw_case(6, num_images=13))
    for rank in range(2):
        assert torch.load(f"{tmp_path}/metrics{rank}") == expected


# Bad input


@pytest.mark.parametrize("rankings", [[None, None], [RCP, None, dict(RCP, weight=0.5)], []])
def test_rankings_of_one_name(rankings):
    with pytest.raises(ValueError, match="different names"):
        PersonSearchMetric(rankings=rankings)


def test_unknown_ranking():
    with pytest.raises(ValueError, match=r"no ranking 'NoSuchRanking', expected one of .*'RankingWithContextPersons'"):
        PersonSearchMetric(rankings=[dict(type="NoSuchRanking")])


def test_images_without_a_result_are_named():
    with pytest.raises(ValueError, match="2 of 12 images have no result: im3, im7"):
        evaluate(PersonSearchMetric(), draw_case(7), [i for i in range(12) if i not in (3, 7)])


def test_a_protocol_is_needed():
    metric = PersonSearchMetric()
    metric.dataset_meta = dict(classes=("person",))
    with pytest.raises(ValueError, match=r"search_protocol.*NoneType"):
        metric.compute_metrics([])


def process_one(change):
    case = draw_case(8)
    samples = [sample.to_dict() for sample in data_samples(*case)]
    image = case[0].image_index[case[0].queries[0].img_id]
    change(samples[image])
    metric = PersonSearchMetric()
    metric.dataset_meta = dict(search_protocol=case[0])
    metric.process(None, samples)
    return metric.evaluate(len(samples))


def test_missing_fields_are_named():
    for name in ("bboxes", "scores", "reid_feats"):
        with pytest.raises(ValueError, match=rf"image 'im\d+': pred_instances lacks {name}"):
            process_one(lambda sample, name=name: sample["pred_instances"].pop(name))
    with pytest.raises(ValueError, match=r"image 'im\d+': query_instances lacks reid_feats"):
        process_one(lambda sample: sample["query_instances"].pop("reid_feats"))


def test_queries_without_an_embedding_are_named():
    with pytest.raises(ValueError, match=r"queries have no embedding: .*\(image 'im\d+'\)"):
        process_one(lambda sample: sample.pop("query_instances"))


def test_strange_images_and_queries_are_named():
    with pytest.raises(ValueError, match="not in the protocol: stranger"):
        process_one(lambda sample: sample.update(img_id="stranger"))

    def other_query(sample):
        sample["query_instances"]["query_ids"][0] = 99

    with pytest.raises(ValueError, match="query_ids 99 are not this image's queries"):
        process_one(other_query)
