import json
from pathlib import Path

import numpy as np
import pytest
import torch
from dataset_writers import write_cuhk, write_prw
from tiny_models import build_model

from mmpersonsearch.cli import eval as tool
from mmpersonsearch.cli import on_boxes, rank, test
from mmpersonsearch.cli.run_config import build_evaluation, read_config
from mmpersonsearch.evaluation.predictions import write_predictions

ROOT = Path(__file__).resolve().parents[2]
PRW = str(ROOT / "configs/tdn/tdn_r50ibn_prw_baseline.py")
CUHK = str(ROOT / "configs/tdn/tdn_r50ibn_cuhk_baseline.py")


def predict_truth(config, path, options=None, **provenance):
    """Writes predictions that are the truth, with an embedding for each identity."""
    protocol = build_evaluation(read_config(config, options))[1].metainfo["search_protocol"]
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(64, 64)))[0].astype(np.float32)
    images = {}
    for scene in protocol.images:
        ids = np.where(scene.person_ids >= 0, scene.person_ids, rng.integers(32, 64, len(scene.person_ids)))
        inds = [i for i, query in enumerate(protocol.queries) if query.img_id == scene.img_id]
        images[scene.img_id] = dict(
            bboxes=scene.bboxes, scores=rng.uniform(0.6, 1, len(ids)).astype(np.float32), reid_feats=directions[ids]
        )
        if inds:
            feats = directions[[protocol.queries[i].person_id for i in inds]]
            images[scene.img_id].update(query_ids=np.array(inds), query_feats=feats)
    write_predictions(path, images, {"data": protocol.data, **provenance})


@pytest.fixture
def prw(tmp_path, monkeypatch):
    monkeypatch.setenv("PRW_ROOT", str(write_prw(tmp_path / "prw")))
    predict_truth(PRW, tmp_path / "p.pkl", model={"config": "mine.py"})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.filterwarnings("ignore:queries skipped")
def test_truth_is_perfect_and_tells_its_protocol(prw):
    tool.main(["p.pkl", PRW, "--out", "new/result.json"])
    result = json.loads((prw / "new/result.json").read_text())
    assert result["person_search/mAP"] == result["person_search/rcp/mAP"] == result["detection/ap"] == 1
    assert result["protocol"]["data"]["data_set"] == "PRWDataset"
    assert {"images", "boxes", "queries"} < result["protocol"]["data"].keys()
    assert result["model"] == {"config": "mine.py"} and "torch" in result["versions"]


@pytest.mark.filterwarnings("ignore")
def test_what_a_model_found_gives_its_figures_again(prw, monkeypatch, commands_in_process):
    monkeypatch.setenv("SYNTH_ROOT", str(prw / "prw"))
    config = str(ROOT / "projects/synthetic_benchmark/configs/tdn/tdn_r18ibn_synth_baseline.py")
    torch.save(build_model("_baseline").state_dict(), "untrained.pth")
    options = ["model.roi_head.reid_head.num_ids=12", "test_evaluator.det_thr=0.0", "model.test_cfg.rcnn.score_thr=0.0"]
    options += ["test_dataloader.num_workers=0", "test_dataloader.persistent_workers=False"]
    options = ["--cfg-options", *options]
    arguments = [config, "untrained.pth", "--work-dir", "run", "--out", "found.pkl", "--show-dir", "shown", *options]
    test.main(arguments)
    tool.main(["found.pkl", config, "--out", "again.json", *options])

    first, again = (json.loads((prw / name).read_text()) for name in ("run/result.json", "again.json"))
    assert first == again and first["detection/recall"] > 0
    assert first["model"]["checkpoint_digest"].startswith("sha256:") and first["model"]["score_thr"] == 0
    shown = {path.name for path in (prw / "shown").rglob("*.*")}
    assert {"ranking_crops.png", "ranking_scenes.png", "c1s2_000010.jpg"} <= shown


@pytest.mark.filterwarnings("ignore:queries skipped")
def test_other_rankings_and_thresholds(prw):
    ranking = ["--ranking", "RankingWithContextPersons", "threshold=0.5", "name=mine"]
    tool.main(["p.pkl", PRW, *ranking, "--det-thr", "0.99", "--out", "r.json"])
    result = json.loads((prw / "r.json").read_text())
    assert "person_search/mine/mAP" in result and "person_search/rcp/mAP" not in result
    assert result["detection/recall"] < 1 and result["protocol"]["det_thr"] == 0.99
    assert result["protocol"]["rankings"]["mine"]["threshold"] == 0.5


@pytest.mark.filterwarnings("ignore:queries skipped")
def test_a_threshold_that_cannot_act(prw, capsys):
    tool.main(["p.pkl", PRW, "--det-thr", "0.55"])  # of an unknown model; scores begin at 0.6
    assert "WARNING: --det-thr 0.55 leaves out nothing: the lowest score in p.pkl" in capsys.readouterr().err
    predict_truth(PRW, prw / "known.pkl", model={"score_thr": 0.61})
    tool.main(["known.pkl", PRW, "--det-thr", "0.61"])
    assert "WARNING" not in capsys.readouterr().err
    for command, args in ((tool, []), (rank, ["--out", "r.png"]), (on_boxes, None)):
        args = [PRW, "no.pth", "--predictions", "known.pkl"] if args is None else ["known.pkl", PRW, *args]
        args = [args[1], args[0], *args[2:]] if command is rank else args
        with pytest.raises(SystemExit, match=r"det_thr 0\.5 cannot act: the model of known\.pkl .*score_thr 0\.61$"):
            command.main(args)


@pytest.mark.filterwarnings("ignore:queries skipped")
def test_only_like_is_put_beside_like(prw, capsys):
    tool.main(["p.pkl", PRW, "--out", "first.json"])
    tool.main(["p.pkl", PRW, "--compare", "first.json"])
    assert "person_search/mAP" in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"different protocols(.|\n)*det_thr: 0\.9 and 0\.5"):
        tool.main(["p.pkl", PRW, "--det-thr", "0.9", "--compare", "first.json"])
    tool.main(["p.pkl", PRW, "--det-thr", "0.9", "--compare", "first.json", "--allow-different-protocols"])


def test_changed_annotations_are_noticed(prw):
    queries = prw / "prw/query_info.txt"
    queries.write_text(queries.read_text().replace("11 12 16 30 72", "11 13 16 30 72"))
    with pytest.raises(SystemExit, match="written for other data: queries is"):
        tool.main(["p.pkl", PRW])


@pytest.mark.filterwarnings("ignore:queries skipped", "ignore:CUHKSYSUDataset")
def test_other_gallery_sizes(tmp_path, monkeypatch):
    monkeypatch.setenv("CUHK_ROOT", str(write_cuhk(tmp_path / "cuhk")))
    sizes = [int(path.stem.removeprefix("TestG")) for path in tmp_path.rglob("TestG*.mat")]
    main = {"test_dataloader.dataset.gallery_sizes": sizes[:1]}
    predict_truth(CUHK, tmp_path / "p.pkl", main)
    sizes = list(map(str, sizes))
    tool.main([str(tmp_path / "p.pkl"), CUHK, "--gallery-sizes", *sizes, "--out", str(tmp_path / "r.json")])
    result = json.loads((tmp_path / "r.json").read_text())
    assert all(result[f"person_search/g{size}/mAP"] == 1 for size in sizes)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["no.pkl", PRW], r"predictions no\.pkl do not exist"),
        (["p.pkl", "no.py"], r"config file no\.py does not exist"),
        (["p.pkl", PRW, "--ranking", "NoSuch"], "NoSuch"),
        (["p.pkl", PRW, "--ranking", "RankingWithContextPersons", "threshold=-1"], r"threshold must be >= 0, got -1"),
        (["p.pkl", PRW, "--ranking", "RankingWithContextPersons", "weight=1"], r"weight must be in \(0, 1\), got 1"),
        (["p.pkl", PRW, "--ranking", "RankingWithContextPersons", "weight"], "expected KEY=VALUE, got 'weight'"),
        (["p.pkl", PRW, "--ranking", "RankingWithContextPersons", "wait=1"], "wait"),
        (["p.pkl", PRW, "--compare", "none.json"], r"result none\.json does not exist"),
        (["p.pkl", PRW, "--compare", "p.pkl"], r"p\.pkl seems to be a pickle, .* expected json"),
    ],
)
def test_bad_input_ends_in_a_message(prw, args, message):
    with pytest.raises(SystemExit, match=message):
        tool.main(args)
