import pickle

import numpy as np
import pytest
from dataset_writers import PRW_QUERIES
from PIL import Image

from mmpersonsearch.cli import rank as tool
from mmpersonsearch.evaluation.predictions import write_predictions

CONFIG = """
default_scope = "mmpersonsearch"
test_dataloader = dict(dataset=dict(type="PRWDataset", data_root="{root}", split="test"))
test_evaluator = dict(
    type="PersonSearchMetric",
    rankings=[None, dict(type="RankingWithContextPersons", name="context", weight=0.9)],
    det_thr=0.3,
)
"""
FRAMES = ["c1s2_000010", "c2s2_000011", "c1s2_000012", "c3s2_000013"]


@pytest.fixture
def tested(prw_root, tmp_path, monkeypatch):
    """Runs the tool; gives the rankings and options that were drawn, and the picture's name."""
    (tmp_path / "config.py").write_text(CONFIG.format(root=prw_root))
    rng = np.random.default_rng(1)
    images = {}
    for frame in FRAMES:
        bboxes = np.array([[12, 16, 42, 88], [70, 20, 98, 84]], dtype=np.float32)
        feats = np.abs(rng.normal(size=(2, 4))).astype(np.float32)
        images[frame] = dict(bboxes=bboxes, scores=np.array([0.9, 0.4], np.float32), reid_feats=feats)
        queries = [q for q, query in enumerate(PRW_QUERIES) if query[-1] == frame]
        if queries:
            feats = np.abs(rng.normal(size=(len(queries), 4))).astype(np.float32)
            images[frame].update(query_ids=np.array(queries), query_feats=feats)
    write_predictions(tmp_path / "p.pkl", images, {})
    drawn = {}
    function = tool.draw_ranking

    def spy(protocol, rankings, *args, **kwargs):
        drawn.update(kwargs, rankings=rankings)
        return function(protocol, rankings, *args, **kwargs)

    monkeypatch.setattr(tool, "draw_ranking", spy)

    def run(*args, config=tmp_path / "config.py", predictions=tmp_path / "p.pkl"):
        drawn.clear()
        files = predictions if isinstance(predictions, list) else [predictions]
        tool.main([str(config), *map(str, files), "--out", str(tmp_path / "out.png"), *map(str, args)])
        Image.open(tmp_path / "out.png").verify()
        return dict(drawn)

    return run


def inds(drawn):
    return [ranking.query_ind for ranking in drawn["rankings"]]


def test_queries_are_spread_given_or_worst(tested):
    assert inds(tested()) == [0, 1, 2]
    assert inds(tested("--num-queries", 2)) == [0, 2]
    assert inds(tested("--queries", 2, 0)) == [2, 0]
    worst = tested("--worst-first", "--num-queries", 2)
    aps = [float(title.split("AP ")[1].rstrip("%")) for title in worst["row_titles"]]
    everyone = tested("--worst-first")["row_titles"]
    assert aps == sorted(aps) == sorted(float(title.split("AP ")[1].rstrip("%")) for title in everyone)[:2]
    assert worst["title"] == "config, similarity, lowest average precision first"


def test_files_and_rankings_are_rows_of_each_query(tested, tmp_path, monkeypatch):
    content = pickle.loads((tmp_path / "p.pkl").read_bytes())
    rng = np.random.default_rng(5)
    for image in content["images"].values():
        image["reid_feats"] = np.abs(rng.normal(size=(2, 4))).astype(np.float32)
    (tmp_path / "q.pkl").write_bytes(pickle.dumps(content))
    files = [f"A={tmp_path / 'p.pkl'}", f"B={tmp_path / 'q.pkl'}"]
    rows = tested("--queries", 2, 0, "--topk", 9, "--ranking", "similarity", "context", predictions=files)
    assert inds(rows) == [2] * 4 + [0] * 4
    labels = [title.split(": AP ")[0] for title in rows["match_titles"]]
    assert labels == ["A", "A + CONTEXT", "B", "B + CONTEXT"] * 2 and rows["title"] == "config"
    assert rows["row_titles"] == ["query 2"] * 4 + ["query 0"] * 4
    sims = [dict(zip(r.image_inds.tolist(), r.similarities)) for r in rows["rankings"]]
    images = list(content["images"].values())
    plain = pickle.loads((tmp_path / "p.pkl").read_bytes())["images"]
    for row, dets in ((0, list(plain.values())), (2, images)):  # by hand: the largest product
        query = next(i for i in images if 2 in i.get("query_ids", ()))
        query = query["query_feats"][list(query["query_ids"]).index(2)]
        for image, similarity in sims[row].items():
            assert similarity == pytest.approx((dets[image]["reid_feats"] @ query).max(), abs=1e-5)
        assert all(sims[row + 1][image] > similarity for image, similarity in sims[row].items())
    choices = iter([[1], [0]])  # what the first and the second row would choose
    monkeypatch.setattr(tool, "worst_queries", lambda result, number: next(choices))
    both = tested("--worst-first", predictions=files[::-1])
    assert inds(both) == [1, 1]
    assert both["title"] == "config, lowest average precision of B first"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["", ""], "expected NAME=PREDICTIONS.pkl, got"),
        (["A=", "A="], "two runs have the name 'A'"),
        (["A=", "A + CONTEXT="], "two rows would have the name 'A . CONTEXT'"),
    ],
)
def test_rows_need_names_of_their_own(tested, tmp_path, names, message):
    with pytest.raises(SystemExit, match=f"mmpersonsearch rank: {message}"):
        tested("--ranking", "similarity", "context", predictions=[f"{name}{tmp_path / 'p.pkl'}" for name in names])


def test_titles_name_person_and_camera(tested):
    assert tested("--queries", 2)["row_titles"] == ["query 2, person 11, camera 2"]


def test_scenes_and_crops(tested):
    assert tested("--scenes")["scenes"] and not tested()["scenes"]


def test_det_thr_and_rankings_are_the_configs(tested):
    plain, context = tested("--topk", 9), tested("--topk", 9, "--ranking", "context")
    # Score 0.4 is over the config's threshold.
    assert all(len(boxes) == 1 for ranking in plain["rankings"] for boxes in ranking.other_bboxes)
    for one, other in zip(plain["rankings"], context["rankings"]):
        sims = dict(zip(one.image_inds.tolist(), one.similarities))
        assert all(s > sims[i] for i, s in zip(other.image_inds.tolist(), other.similarities))
    assert context["title"] == "config, context"
    assert inds(tested("--cfg-options", "test_evaluator.det_thr=0.5")) == [0, 1, 2]


def test_gallery_sizes(tested, cuhk_root, tmp_path):
    config = tmp_path / "cuhk.py"
    config.write_text(
        f'test_dataloader = dict(dataset=dict(type="CUHKSYSUDataset", data_root="{cuhk_root}", split="test", '
        "gallery_sizes=(50, 100)))\ntest_evaluator = [dict(type='PersonSearchMetric')]\n"
    )
    images = {}
    for name in ("s10", "s11", "s12", "s13"):
        images[f"{name}.jpg"] = dict(
            bboxes=np.array([[12, 16, 42, 88]], np.float32), scores=np.ones(1, np.float32), reid_feats=np.eye(4)[:1]
        )
    images["s10.jpg"].update(query_ids=np.arange(2), query_feats=np.eye(4)[:2])
    write_predictions(tmp_path / "c.pkl", images, {})
    run = dict(config=config, predictions=tmp_path / "c.pkl")
    assert tested("--gallery-size", 100, **run)["title"] == "cuhk, similarity, gallery of 100"
    assert tested(**run)["title"] == "cuhk, similarity, gallery of 50"
    with pytest.raises(SystemExit, match=r"sizes \[50, 100\], got 7"):
        tested("--gallery-size", 7, **run)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--ranking", "rcp"), r"--ranking rcp: expected one of .*: similarity, context"),
        (("--queries", 3), "3 is not a query, the protocol has 3"),
        (("--gallery-size", 100), "gallery must be None, the protocol has only 'all'"),
        (("--cfg-options", "test_dataloader.dataset.split=train"), "without queries"),
    ],
)
def test_bad_input_ends_in_a_message(tested, args, message):
    with pytest.raises(SystemExit, match=f"mmpersonsearch rank: .*{message}"):
        tested(*args)


def test_files_that_are_missing_or_wrong(tested, prw_root, tmp_path):
    with pytest.raises(SystemExit, match=r"mmpersonsearch rank: predictions .*no\.pkl do not exist"):
        tested(predictions=tmp_path / "no.pkl")
    (prw_root / "frames" / "c1s2_000012.jpg").write_bytes(b"no image")
    with pytest.raises(SystemExit, match=r"mmpersonsearch rank: .*c1s2_000012\.jpg cannot be decoded"):
        tested("--topk", 9)


@pytest.mark.parametrize("args", [("--topk", "0"), ("--num-queries", "0"), ("--queries", "1", "--worst-first")])
def test_options_that_make_no_sense(tested, args):
    with pytest.raises(SystemExit) as error:
        tested(*args)
    assert error.value.code == 2
