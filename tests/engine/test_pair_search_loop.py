"""Search by pairs: each pair once, whatever the processes, interruptions and sizes of the images."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from dataset_writers import PRW_QUERIES, PRW_TEST, write_image, write_prw
from distributed import run_in_two_processes
from mmengine.config import ConfigDict
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from pair_cases import ColorSearch

from mmpersonsearch.engine.pair_results import PairResultFiles
from mmpersonsearch.engine.pair_search_loop import PairSearchLoop
from mmpersonsearch.evaluation.metrics import PersonSearchMetric, person_search
from mmpersonsearch.evaluation.metrics.pair_search import PairSearchMetric

pytestmark = pytest.mark.filterwarnings("ignore:queries skipped")
PIPELINE = [
    dict(type="LoadSceneImage"),
    dict(type="mmdet.Resize", scale=(80, 60), keep_ratio=True),
    dict(type="LoadPersonSearchAnnotations", clip=False),
    dict(type="PackPersonSearchInputs"),
]


class Results(PairSearchMetric):
    """The metric, which also keeps the results."""

    def measure(self, results):
        self.found = list(results)
        return super().measure(results)


def write_set(root):
    write_prw(root)
    # Another size of the image, as PRW's sixth camera has.
    write_image(root / "frames/c2s2_000011.jpg", PRW_TEST["c2s2_000011"], (200, 120))
    return root


def make_loop(root, work_dir, model=None, metric=None, **kwargs):
    init_default_scope("mmpersonsearch")
    dataset = dict(type="PRWDataset", data_root=str(root), split="test", pipeline=PIPELINE)
    loader = Runner.build_dataloader(
        dict(batch_size=1, num_workers=0, dataset=dataset, sampler=dict(type="DefaultSampler", shuffle=False))
    )
    runner = SimpleNamespace(
        model=model or ColorSearch(),
        work_dir=str(work_dir),
        cfg=ConfigDict(model=dict(type="ColorSearch"), test_dataloader=dict(dataset=dataset)),
        call_hook=lambda *args, **kwargs: None,
        visualizer=SimpleNamespace(),
        logger=logging.getLogger("pairs"),
    )
    return PairSearchLoop(runner, loader, Evaluator(metric or Results()), batch_size=2, **kwargs)


def run(*args, **kwargs):
    loop = make_loop(*args, **kwargs)
    metrics = loop.run()
    return metrics, loop.evaluator.metrics[0].found, loop.runner.model


def same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        for name in vars(one):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    return True


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("pairs") / "prw")


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory):
    return run(root, tmp_path_factory.mktemp("whole"))


def expected_pairs():
    queries = [(frame, x, y, x + w, y + h) for _, x, y, w, h, frame in PRW_QUERIES]
    return sorted(
        (query[0], *map(float, query[1:]), image) for query in queries for image in PRW_TEST if image != query[0]
    )


def test_each_pair_is_run_once_and_maps_are_computed_once_an_image(whole):
    metrics, found, model = whole
    assert sorted(model.pairs) == expected_pairs()
    assert model.num_shared == 2 + 4  # the queries' images, and the galleries'
    assert [one.image_inds.tolist() for one in found] == [[1, 2, 3], [1, 2, 3], [0, 2, 3]]
    # Boxes are in pixels of the original image, which has no annotation but these.
    np.testing.assert_allclose(found[0].by_image(4)[1].bboxes[0], [90, 18, 116, 84], atol=1e-3)
    assert metrics["person_search/mAP"] > 0.6 and metrics["detection/recall"] == 1


@pytest.mark.parametrize("max_queries", [1, 2])
def test_passes_of_fewer_queries_give_the_same(root, tmp_path, whole, max_queries):
    metrics, found, model = run(root, tmp_path, max_queries=max_queries)
    assert metrics == whole[0] and same(found, whole[1])
    assert sorted(model.pairs) == expected_pairs()


@pytest.mark.parametrize("stop_after", [0, 4, 8])
def test_an_interrupted_test_resumes(root, tmp_path, whole, stop_after):
    model = ColorSearch()
    model.stop_after = stop_after
    with pytest.raises(KeyboardInterrupt):
        run(root, tmp_path, model=model, save_interval=0)
    assert len(model.pairs) == stop_after
    metrics, found, resumed = run(root, tmp_path, save_interval=0)
    assert metrics == whole[0] and same(found, whole[1])
    # What was lost is of the one image at which it stopped.
    repeated = {pair[-1] for pair in set(model.pairs) & set(resumed.pairs)}
    assert len(repeated) <= 1 and set(model.pairs) | set(resumed.pairs) == set(expected_pairs())
    assert (stop_after == 8) == (len(resumed.pairs) <= 3)
    assert run(root, tmp_path)[2].pairs == []  # all results are there


def test_results_of_other_weights_are_not_mixed_in(root, tmp_path, whole):
    run(root, tmp_path, model=ColorSearch(weight=2))
    metrics, _, model = run(root, tmp_path)
    assert metrics == whole[0] and len(model.pairs) == len(expected_pairs())
    assert len(list((tmp_path / "pair_search").iterdir())) == 2


def test_a_pair_that_two_tests_have_run_counts_once(tmp_path):
    files = PairResultFiles(tmp_path, 1, 1)
    for images in ([0, 2], [1, 2]):
        ones = [torch.ones(i) for i in images]
        found = [InstanceData(bboxes=len(n) * torch.ones(len(n), 4), scores=n, similarities=n) for n in ones]
        files.write(0, images, {(0, i): one for i, one in zip(images, found)})
    assert files[0].image_inds.tolist() == files[0].counts.tolist() == [0, 1, 2]
    assert files[0].bboxes[:, 0].tolist() == [1, 2, 2]


def test_queries_of_a_pass_may_have_empty_galleries(tmp_path):
    found = list(PairResultFiles(tmp_path, 3, 2))
    assert [len(one.image_inds) for one in found] == [len(one.scores) for one in found] == [0, 0, 0]


def test_scores_below_the_threshold_are_told(root, tmp_path, monkeypatch):
    logged = []
    monkeypatch.setattr(person_search, "print_log", lambda text, *args: logged.append(text))
    assert make_loop(root, tmp_path, metric=PairSearchMetric(det_thr=0.95)).run()["person_search/mAP"] == 0
    assert "No detection has score >= 0.95, the highest is 0.9: all metrics are 0" in logged


def run_rank(rank, root, work_dir, out):
    metrics, _, model = run_of_rank(root, work_dir)
    torch.save((metrics, model.pairs), f"{out}{rank}")


def run_of_rank(root, work_dir):
    loop = make_loop(root, work_dir, metric=PairSearchMetric())
    return loop.run(), None, loop.runner.model


def test_two_processes_equal_one_and_resume_what_one_began(root, tmp_path, whole, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MMEngine collects results in a folder there
    model = ColorSearch()
    model.stop_after = 3
    with pytest.raises(KeyboardInterrupt):
        run(root, tmp_path / "work", model=model, save_interval=0)
    run_in_two_processes(run_rank, root, tmp_path / "work", tmp_path / "rank")
    pairs = []
    for rank in range(2):
        metrics, of_rank = torch.load(f"{tmp_path}/rank{rank}")
        assert metrics == whole[0] and of_rank
        pairs += of_rank
    assert len(set(pairs)) == len(pairs) and set(pairs) < set(expected_pairs())
    (folder,) = (tmp_path / "work/pair_search").iterdir()
    assert same(list(PairResultFiles(folder, 3, 32)), whole[1])


def test_progress_tells_the_time_left(root, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "pairs"):
        run(root, tmp_path)
    assert (
        "9 of 9 pairs to run" in caplog.text and "9/9 of this process" in caplog.text and "eta: 0:00:00" in caplog.text
    )


# Bad input


def test_a_metric_of_embeddings_is_refused(root, tmp_path):
    with pytest.raises(ValueError, match=r"PersonSearchMetric, which needs embeddings.*expected PairSearchMetric"):
        make_loop(root, tmp_path, metric=PersonSearchMetric()).run()


def test_another_loop_is_refused():
    with pytest.raises(ValueError, match=r"test_cfg=dict\(type='PairSearchLoop'\)"):
        PairSearchMetric().process(None, [dict(img_id="a")])


def test_a_model_of_embeddings_is_refused(root, tmp_path):
    with pytest.raises(ValueError, match="Linear does not search by pairs, it has no extract_shared"):
        make_loop(root, tmp_path, model=torch.nn.Linear(1, 1)).run()


@pytest.mark.parametrize("name", ["batch_size", "max_queries"])
def test_sizes_are_checked(root, tmp_path, name):
    with pytest.raises(ValueError, match=f"{name} must be an integer >= 1, got 0"):
        PairSearchLoop(None, SimpleNamespace(), Evaluator([]), **{name: 0})


def test_rankings_are_refused():
    with pytest.raises(ValueError, match="RankingWithContextPersons compares embeddings"):
        PairSearchMetric(rankings=[None, dict(type="RankingWithContextPersons")])
