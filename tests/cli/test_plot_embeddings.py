import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from mmpersonsearch.cli import plot_embeddings
from mmpersonsearch.cli.run_config import read_config
from mmpersonsearch.evaluation.predictions import write_predictions

CONFIG = """
default_scope = "mmpersonsearch"
test_dataloader = dict(dataset=dict(type="PRWDataset", data_root="{root}", split="test"))
test_evaluator = dict(type="PersonSearchMetric", det_thr=0.4, iou_thr=0.6)
"""
# Of each frame the detections: xyxy, score, embedding. Identities 11 and 12 have two true boxes each.
DETECTIONS = {
    "c1s2_000010": [
        ((12, 16, 42, 80), 0.9, (1, 0, 0)),  # on 11, a worse overlap than the next
        ((12, 16, 42, 88), 0.8, (0.6, 0.8, 0)),  # on 11
        ((70, 20, 98, 84), 0.3, (0, 0, 1)),  # on 12, below the score
        ((70, 26, 98, 90), 0.7, (0, 0.6, 0.8)),  # on 12
    ],
    "c2s2_000011": [((90, 18, 116, 84), 0.9, (0, 1, 0)), ((30, 22, 60, 82), 0.9, (0, 0.8, 0.6))],  # 11, unlabelled
    "c1s2_000012": [((40, 20, 64, 80), 0.5, (0.8, 0, 0.6))],  # on 12
    "c3s2_000013": [],
}


@pytest.fixture
def tool(monkeypatch, tmp_path, prw_root):
    """The tool, in a folder with a config and two runs' predictions and checkpoints."""
    monkeypatch.chdir(tmp_path)
    Path("prw.py").write_text(CONFIG.format(root=prw_root))
    images = {}
    for name, found in DETECTIONS.items():
        boxes, scores, feats = zip(*found) if found else ((), (), ())
        images[name] = {
            "bboxes": np.array(boxes, np.float32).reshape(-1, 4),
            "scores": np.array(scores, np.float32),
            "reid_feats": np.array(feats, np.float32).reshape(-1, 3),
        }
    images["c1s2_000010"].update(query_ids=np.array([0, 1]), query_feats=np.eye(3, dtype=np.float32)[:2])
    images["c2s2_000011"].update(query_ids=np.array([2]), query_feats=np.eye(3, dtype=np.float32)[:1])
    write_predictions("oim.pkl", images, {})
    # Three centres at 60 degrees from each other, and an empty one.
    table = torch.tensor([[1.0, 1, 0], [0, 0, 0], [1, 0, 1], [0, 1, 1]])
    torch.save({"state_dict": {"roi_head.reid_head.loss_id.lut.features": F.normalize(table)}}, "oim.pth")
    torch.save({"features": F.normalize(torch.tensor([[1.0, 0], [-1, 0], [1, 0]]))}, "boim.pth")
    return plot_embeddings


def collect(tool, identities, **thresholds):
    config = read_config("prw.py")
    protocol = tool.build_evaluation(config)[1].metainfo["search_protocol"]
    found = tool.read_predictions("oim.pkl", protocol)
    feats, person_ids = tool.collect_embeddings(protocol, found, identities, **thresholds)
    return sorted(zip(person_ids.tolist(), feats.round(decimals=4).tolist()))


def test_embeddings_are_those_of_the_detections_on_the_persons(tool):
    expected = [(11, (0, 1, 0)), (11, (0.6, 0.8, 0)), (12, (0, 0.6, 0.8)), (12, (0.8, 0, 0.6))]
    thresholds = dict(det_thr=0.4, iou_thr=0.6)
    found = [(identity, pytest.approx(feat, abs=1e-4)) for identity, feat in collect(tool, [11, 12], **thresholds)]
    assert found == [(identity, list(feat)) for identity, feat in expected]
    assert [identity for identity, _ in collect(tool, [12], **thresholds)] == [12, 12]
    # The other box on 12 in the first frame counts with a lower least score, and none with a higher least IoU.
    assert (12, [0, 0, 1]) in collect(tool, [12], det_thr=0.2, iou_thr=0.6)
    assert len(collect(tool, [12], det_thr=0.4, iou_thr=0.95)) == 1
    assert collect(tool, [12], det_thr=0.95, iou_thr=0.6) == []


def test_figure_and_numbers_of_embeddings(tool):
    tool.main(["tsne", "prw.py", "OIM=oim.pkl", "B=oim.pkl", "--out", "figures/tsne"])
    assert Image.open("figures/tsne.png").width == 2100  # 7 inches
    assert Path("figures/tsne.svg").read_text().rstrip().endswith("</svg>")
    numbers = json.loads(Path("figures/tsne.json").read_text())
    assert numbers["identities"] == [11, 12] and numbers["config"] == "prw.py"
    run = numbers["runs"]["OIM"]
    assert sorted(run["identities"]) == [11, 11, 12, 12] and run["predictions"] == "oim.pkl"
    assert np.isfinite(run["positions"]).all() and np.shape(run["positions"]) == (4, 2)
    assert numbers["runs"]["B"]["positions"] == run["positions"]


def test_the_same_seed_gives_the_same_plane(tool):
    feats = F.normalize(torch.randn(12, 5, generator=torch.Generator().manual_seed(0)))
    assert np.array_equal(tool.place(feats, 1), tool.place(feats, 1))


def test_neighbours_stay_neighbours(tool):
    feats = torch.randn(40, 8, generator=torch.Generator().manual_seed(0)) * 0.05
    feats[:20, 0] += 1
    feats[20:, 1] += 1
    plane = torch.from_numpy(tool.place(F.normalize(feats), 0))
    nearest = torch.cdist(plane, plane).fill_diagonal_(torch.inf).argmin(1)
    assert torch.equal(nearest < 20, torch.arange(40) < 20)


def test_identities_with_the_most_boxes_are_chosen(tool):
    from mmpersonsearch.structures import Query, SceneImage, SearchProtocol

    persons = [[5, 9, 7, -1], [7, 9, 3], [9, -1, -1, 3], [3, 3]]
    scenes = [SceneImage(i, np.zeros((len(ids), 4)), np.array(ids)) for i, ids in enumerate(persons)]
    queries = [Query(0, np.zeros(4), identity) for identity in (7, 5, 9)]  # 3 is not asked for
    protocol = SearchProtocol(scenes, queries)
    assert tool.choose_identities(protocol, None, 2) == [7, 9]
    assert tool.choose_identities(protocol, None, 9) == [5, 7, 9]
    assert tool.choose_identities(protocol, [9, 3, 9], 1) == [3, 9]


def test_figure_and_numbers_of_centers(tool):
    tool.main(["centers", "OIM=oim.pth", "BOIM=boim.pth", "--out", "figures/centers"])
    assert Image.open("figures/centers.png").width > 1000
    numbers = json.loads(Path("figures/centers.json").read_text())
    oim, boim = numbers["runs"]["OIM"], numbers["runs"]["BOIM"]
    assert (oim["num_centers"], oim["num_empty"], oim["mean"]) == (3, 1, pytest.approx(0.5))
    assert (boim["num_centers"], boim["num_empty"], boim["mean"]) == (3, 0, pytest.approx(-1 / 3))
    edges = np.array(numbers["edges"])
    for run, expected in ((oim, {0.5: 1.0}), (boim, {-1.0: 2 / 3, 1.0: 1 / 3})):
        shares = np.array(run["shares"])
        assert len(edges) == len(shares) + 1 and shares.sum() == pytest.approx(1)
        for similarity, share in expected.items():
            near = (edges[:-1] <= similarity + 1e-6) & (edges[1:] >= similarity - 1e-6)
            assert shares[near].sum() == pytest.approx(share)


def test_many_equal_centers_are_all_counted(tool, tmp_path):
    """More than 2^24 pairs, where float32 stops counting."""
    centers = torch.nn.functional.normalize(torch.ones(4200, 2))
    torch.save({"state_dict": {"lut.features": centers}}, tmp_path / "equal.pth")
    assert sum(tool.measure_centers(str(tmp_path / "equal.pth"))["shares"]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tsne", "prw.py", "oim.pkl"], "expected NAME=PREDICTIONS.pkl, got 'oim.pkl'"),
        (["tsne", "prw.py", "A=no.pkl"], "predictions no.pkl do not exist"),
        (["tsne", "prw.py", "A=oim.pkl", "--identities", "12", "13", "14"], "does not show 13, 14"),
        (
            ["tsne", "prw.py", "A=oim.pkl", "--identities", "12"],
            r"oim.pkl: 2 detections on identities \[12\], expected 4 or more",
        ),
        (["centers", "boim.pth"], "expected NAME=CHECKPOINT.pth, got 'boim.pth'"),
        (["centers", "A=no.pth"], "checkpoint no.pth does not exist"),
        (["centers", "A=other.pth"], r"other.pth: expected one key 'features' or '\*.lut.features', found \[\]"),
        (["centers", "A=empty.pth"], "empty.pth: 1 of the LUT's 3 rows are not empty, expected 2 or more"),
        (["centers", *(f"{i}=boim.pth" for i in range(5))], "a figure shows 1 to 4 runs, got 5"),
    ],
)
def test_bad_input_ends_in_a_message(tool, words, message):
    torch.save({"weight": torch.zeros(1)}, "other.pth")
    torch.save({"features": torch.eye(3) * torch.tensor([0.0, 1, 0])}, "empty.pth")
    with pytest.raises(SystemExit, match=f"^mmpersonsearch plot embeddings: .*{message}"):
        tool.main([*words, "--out", "figure"])
    assert not list(Path().glob("figure*"))
