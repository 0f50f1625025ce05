import functools
import json
from pathlib import Path

import numpy as np
import pytest
from dataset_writers import write_cuhk, write_prw
from PIL import Image

from mmpersonsearch.cli import plot_search
from mmpersonsearch.cli.run_config import build_evaluation, read_config
from mmpersonsearch.evaluation import (
    RankingWithContextPersons,
    detection_curve,
    evaluate_detections,
    evaluate_search,
    search_curve,
)
from mmpersonsearch.evaluation.predictions import read_predictions, write_predictions
from mmpersonsearch.utils.files import write_whole

CONFIG = """
default_scope = "mmpersonsearch"
test_dataloader = dict(dataset=dict(type="{type}", data_root="{root}", split="test", {more}))
test_evaluator = dict(type="PersonSearchMetric", det_thr=0.4, iou_thr=0.6)
"""
BOXES = [(x, 20, 20, 70) for x in (0, 40, 80, 120)]
PERSONS = [(0, 1), (2, 3), (4, 5)]  # who walk together


def draw_scenes(seed, num=24):
    """For each scene its persons; groups walk together, so that RCP has something to go by."""
    rng = np.random.default_rng(seed)
    scenes = []
    for i in range(num):
        group = list(PERSONS[i % 3]) if rng.random() < 0.8 else [int(rng.integers(6))]
        scenes.append(group + [-1] * int(rng.integers(0, 3)))
    scenes[:3] = [[*group, -1] for group in PERSONS]
    return scenes


def predict(dataset, scenes, path, seed, noise):
    """Writes detections with embeddings near their persons' own."""
    rng = np.random.default_rng(seed)
    protocol = dataset.metainfo["search_protocol"]
    centres = np.eye(6, 8)

    def embed(person):
        feat = (centres[person] if person >= 0 else rng.normal(size=8)) + noise * rng.normal(size=8)
        return (feat / np.linalg.norm(feat)).astype(np.float32)

    images = {}
    for scene in protocol.images:
        persons = scenes[scene.img_id]
        scores = np.round(rng.uniform(0.2, 1, len(persons)), 2)
        images[scene.img_id] = {
            "bboxes": np.array([[x, y, x + w, y + h] for x, y, w, h in BOXES[: len(persons)]], np.float32)
            + np.float32(rng.integers(0, 8, (len(persons), 4))),
            "scores": scores.astype(np.float32),
            "reid_feats": np.stack([embed(person) for person in persons]),
        }
    for i, query in enumerate(protocol.queries):
        person = scenes[query.img_id][[box[0] for box in BOXES].index(query.bbox[0])]
        image = images[query.img_id]
        image["query_ids"] = np.append(image.get("query_ids", np.zeros(0, np.int64)), i)
        feats = [*image.get("query_feats", []), embed(person)]
        image["query_feats"] = np.stack(feats)
    write_predictions(path, images, {"data": dict(protocol.data), "model": {"config": path.stem}})


def write_config(path, **values):
    path.write_text(CONFIG.format(**values))
    return path


@pytest.fixture(scope="module")
def cuhk(tmp_path_factory):
    """A set in CUHK-SYSU's structure with galleries of 50 and 100, and predictions of a good and a bad run."""
    tmp_path = tmp_path_factory.mktemp("cuhk")
    scenes = {f"s{i}.jpg": persons for i, persons in enumerate(draw_scenes(0))}
    galleries = {50: [], 100: []}
    for i, group in enumerate(PERSONS):
        for place, person in enumerate(group):
            others = [name for name in scenes if name != f"s{i}.jpg"]
            with_person = [name for name in others if person in scenes[name]][:3]
            without = [name for name in others if person not in scenes[name]]
            for size, number in ((50, 4), (100, 12)):
                names = with_person + without[:number]
                places = [scenes[name].index(person) if person in scenes[name] else None for name in names]
                entries = [(name, None if spot is None else BOXES[spot]) for name, spot in zip(names, places)]
                galleries[size].append((f"p{person}", f"s{i}.jpg", BOXES[place], entries))
    root = write_cuhk(
        tmp_path / "cuhk",
        images={name: BOXES[: len(persons)] for name, persons in scenes.items()} | {"train.jpg": BOXES[:1]},
        pool=list(scenes),
        train={"p9": [("train.jpg", BOXES[0])]},
        galleries=galleries,
    )
    config = write_config(tmp_path / "cuhk.py", type="CUHKSYSUDataset", root=root, more="gallery_sizes=(100,)")
    dataset = build_evaluation(read_config(str(config)))[1]
    predict(dataset, scenes, tmp_path / "good.pkl", seed=1, noise=0.25)
    predict(dataset, scenes, tmp_path / "bad.pkl", seed=2, noise=0.5)
    return tmp_path


def draw(folder, kind, *options, config="cuhk.py", runs=("Good=good.pkl", "Bad=bad.pkl")):
    runs = [f"{name}={folder / path}" for name, path in (run.split("=") for run in runs)]
    plot_search.main([kind, str(folder / config), *runs, "--out", str(folder / "out" / kind), *options])
    stem = folder / "out" / kind
    assert Image.open(f"{stem}.png").size[0] == 2100  # 7 inches
    assert Path(f"{stem}.svg").read_text().rstrip().endswith("</svg>")
    return json.loads(Path(f"{stem}.json").read_text())


@functools.cache
def case(folder, run, config="cuhk.py", sizes=None):
    options = {"test_dataloader.dataset.gallery_sizes": sizes} if sizes else None
    protocol = build_evaluation(read_config(str(folder / config), options))[1].metainfo["search_protocol"]
    found = read_predictions(folder / run, protocol)
    return protocol, found.detections, found.query_feats


def figures(folder, run, ranking=None, size=None, config="cuhk.py"):
    result = evaluate_search(
        *case(folder, run, config, (size,) if size else None), det_thr=0.4, topk=(1,), ranking=ranking
    )
    return [result.mAP, result.topk[1]]


def test_gallery_sizes(cuhk):
    numbers = draw(cuhk, "gallery-size", "--sizes", "100", "50", "--threshold", "0.1", "--weight", "0.6")
    assert numbers["sizes"] == [50, 100] and list(numbers["runs"]) == ["Good", "Bad"]
    assert (numbers["threshold"], numbers["weight"], numbers["det_thr"]) == (0.1, 0.6, 0.4)
    seen = set()
    for name, path in (("Good", "good.pkl"), ("Bad", "bad.pkl")):
        for ranking, expected in (("similarity", None), ("rcp", RankingWithContextPersons(0.1, 0.6))):
            found = numbers["runs"][name][ranking]
            for place, size in enumerate((50, 100)):
                value = figures(cuhk, path, expected, size)
                assert [found["mAP"][place], found["top-1"][place]] == pytest.approx(value, abs=1e-9)
                seen.add(round(value[0], 9))
    assert len(seen) == 8  # each run, size and ranking has a figure of its own
    assert numbers["sources"]["Bad"]["model"] == {"config": "bad"}
    assert numbers["data"] == dict(case(cuhk, "bad.pkl", sizes=(50, 100))[0].data)


def test_rcp_parameters(cuhk):
    sweep = ("--thresholds", "0.4", "0.0", "0.2", "--weights", "0.3", "0.9", "--threshold", "0.1", "--weight", "0.5")
    numbers = draw(cuhk, "rcp", *sweep)
    assert (numbers["thresholds"], numbers["weights"]) == ([0.0, 0.2, 0.4], [0.3, 0.9])
    seen = set()
    for name, path in (("Good", "good.pkl"), ("Bad", "bad.pkl")):
        found = numbers["runs"][name]
        assert [found["similarity"]["mAP"], found["similarity"]["top-1"]] == pytest.approx(figures(cuhk, path))
        for parameter, settings in (
            ("threshold", [(0.0, 0.5), (0.2, 0.5), (0.4, 0.5)]),
            ("weight", [(0.1, 0.3), (0.1, 0.9)]),
        ):
            expected = [figures(cuhk, path, RankingWithContextPersons(*setting)) for setting in settings]
            assert list(zip(found[parameter]["mAP"], found[parameter]["top-1"])) == [
                pytest.approx(value, abs=1e-9) for value in expected
            ]
            seen |= {round(mAP, 9) for mAP, _ in expected}
    assert len(seen) > 6


def test_precision_recall(cuhk):
    numbers = draw(cuhk, "precision-recall", "--weight", "0.6")
    for name, path in (("Good", "good.pkl"), ("Bad", "bad.pkl")):
        protocol, detections, query_feats = case(cuhk, path)
        found = numbers["runs"][name]
        for ranking, expected in (("similarity", None), ("rcp", RankingWithContextPersons(0.3, 0.6))):
            curve = search_curve(protocol, detections, query_feats, 0.4, expected)
            assert found["search"][ranking]["precision"] == pytest.approx(curve.precisions.tolist(), abs=1e-12)
            assert found["search"][ranking]["mAP"] == pytest.approx(figures(cuhk, path, expected)[0], abs=1e-9)
        gts = [image.bboxes for image in protocol.images]
        curve = detection_curve(gts, detections, 0.6, 0.4)
        assert found["detection"]["precision"] == pytest.approx(curve.precisions.tolist(), abs=1e-12)
        ap = evaluate_detections(gts, detections, 0.6, 0.4).ap
        assert 0 < found["detection"]["ap"] == pytest.approx(ap, abs=1e-9)
    assert numbers["runs"]["Good"]["search"] != numbers["runs"]["Bad"]["search"]


def test_the_whole_curve_of_the_detection(cuhk, capsys):
    """All detections, of a detector without embeddings too; the search's curves begin at det_thr 0.4."""
    protocol, detections, _ = case(cuhk, "good.pkl")
    images = {
        scene.img_id: {name: found.get(name).numpy() for name in ("bboxes", "scores")}
        for scene, found in zip(protocol.images, detections)
    }
    write_predictions(cuhk / "detector.pkl", images, {})
    numbers = draw_detection(cuhk)
    curve = detection_curve([image.bboxes for image in protocol.images], detections, 0.6, 0.0)
    for name in ("Good", "Detector"):
        found = numbers["runs"][name]["detection"]
        assert found["precision"] == pytest.approx(curve.precisions.tolist(), abs=1e-12)
        assert found["ap"] == pytest.approx(curve.ap) and found["score"][-1] == curve.scores[-1] < 0.3
    assert f"Good: the curve ends at score {curve.scores[-1]:.3f}, recall" in capsys.readouterr().out
    assert numbers["det_thr"] == 0 and draw_detection(cuhk, "--det-thr", "0.4")["det_thr"] == 0.4
    at_thr = draw_detection(cuhk, "--det-thr", "0.4")["runs"]["Good"]["detection"]
    assert at_thr == draw(cuhk, "precision-recall")["runs"]["Good"]["detection"]


def draw_detection(folder, *options):
    stem = folder / "out" / "whole"
    runs = [f"Good={folder / 'good.pkl'}", f"Detector={folder / 'detector.pkl'}"]
    plot_search.main(["detection", str(folder / "cuhk.py"), *runs, "--out", str(stem), *options])
    assert Image.open(f"{stem}.png").size[0] == 1050  # half a page
    return json.loads(Path(f"{stem}.json").read_text())


@pytest.fixture
def numbers_alone(monkeypatch):
    """``draw`` without its pictures, which take most of the time."""

    def write(figure, numbers, stem):
        assert len(figure.axes) > 1
        for suffix, content in (("png", b""), ("svg", b"</svg>"), ("json", json.dumps(numbers).encode())):
            write_whole(f"{stem}.{suffix}", content)
        Image.new("L", (2100, 1)).save(f"{stem}.png")

    monkeypatch.setattr(plot_search, "save_figure", write)


def test_sets_with_one_gallery_serve_too(tmp_path, numbers_alone):
    scenes = {f"c{i % 3 + 1}s1_{i:06d}": persons for i, persons in enumerate(draw_scenes(4))}
    first = dict(list(scenes.items())[:3])
    root = write_prw(
        tmp_path / "prw",
        test={
            name: [(-2 if p < 0 else p + 1, *BOXES[place]) for place, p in enumerate(persons)]
            for name, persons in scenes.items()
        },
        queries=[
            (p + 1, *BOXES[place], name) for name, persons in first.items() for place, p in enumerate(persons) if p >= 0
        ],
    )
    config = write_config(tmp_path / "prw.py", type="PRWDataset", root=root, more="")
    predict(build_evaluation(read_config(str(config)))[1], scenes, tmp_path / "one.pkl", seed=1, noise=0.3)
    numbers = draw(tmp_path, "rcp", config="prw.py", runs=["One=one.pkl"])
    assert numbers["thresholds"] == numbers["weights"] == pytest.approx([i / 10 for i in range(1, 10)])
    found = numbers["runs"]["One"]
    expected = figures(tmp_path, "one.pkl", RankingWithContextPersons(), config="prw.py")[0]
    assert found["threshold"]["mAP"][2] == found["weight"]["mAP"][1] == pytest.approx(expected, abs=1e-9)
    draw(tmp_path, "precision-recall", config="prw.py", runs=["One=one.pkl"])
    with pytest.raises(SystemExit, match=r"test_dataloader.dataset has no gallery_sizes"):
        draw(tmp_path, "gallery-size", config="prw.py", runs=["One=one.pkl"])


@pytest.mark.parametrize(
    ("kind", "words", "message"),
    [
        ("rcp", ["good.pkl"], "expected NAME=PREDICTIONS.pkl, got 'good.pkl'"),
        ("rcp", ["=good.pkl"], "expected NAME=PREDICTIONS.pkl, got '=good.pkl'"),
        ("rcp", ["A=good.pkl", "A=bad.pkl"], "two runs have the name 'A': good.pkl and bad.pkl"),
        ("rcp", ["A=no.pkl"], "predictions no.pkl do not exist"),
        ("rcp", ["A=detector.pkl"], "detector.pkl has no reid_feats: a detector without Re-ID has written it"),
        ("gallery-size", ["A=good.pkl", "--sizes", "50", "77"], "TestG77.mat"),
        ("precision-recall", ["A=other.pkl"], "other.pkl was written for other data: boxes is x"),
    ],
)
def test_bad_input_ends_in_a_message(cuhk, monkeypatch, kind, words, message):
    monkeypatch.chdir(cuhk)
    write_predictions("other.pkl", {}, {"data": {"boxes": "x"}})
    write_predictions("detector.pkl", {"s0.jpg": {"bboxes": np.zeros((0, 4)), "scores": np.zeros(0)}}, {})
    with pytest.raises(SystemExit, match=f"^mmpersonsearch plot search: .*{message}"):
        plot_search.main([kind, "cuhk.py", *words, "--out", "figure"])
    assert not list(cuhk.glob("figure*"))


def test_other_annotations_are_accepted_on_request(cuhk, numbers_alone):
    found = plot_search.read_predictions(cuhk / "good.pkl", case(cuhk, "good.pkl")[0])
    protocol = case(cuhk, "good.pkl")[0]
    images = {
        scene.img_id: {name: detections.get(name).numpy() for name in ("bboxes", "scores", "reid_feats")}
        for scene, detections in zip(protocol.images, found.detections)
    }
    for i, (query, feat) in enumerate(zip(protocol.queries, found.query_feats.numpy())):
        image = images[query.img_id]
        image["query_ids"] = [*image.get("query_ids", []), i]
        image["query_feats"] = [*image.get("query_feats", []), feat]
    write_predictions(cuhk / "other.pkl", images, {"data": {"boxes": "x"}})
    with pytest.raises(SystemExit, match="other data"):
        draw(cuhk, "rcp", runs=["A=other.pkl"])
    numbers = draw(cuhk, "rcp", "--allow-different-protocols", runs=["A=other.pkl"])
    assert numbers["sources"]["A"]["data"] == {"boxes": "x"}
