"""QEEPS searched by pairs from the command line, its proposals, and its speed beside a model that shares nothing."""

import importlib.util
import json
import sys

import pytest
import torch
from dataset_writers import write_prw
from mmengine.dataset import pseudo_collate
from mmengine.runner import CheckpointLoader
from tiny_models import ROOT, SYNTH

from mmpersonsearch.apis import build_model
from mmpersonsearch.cli import eval as eval_command
from mmpersonsearch.cli import on_boxes, plot_proposals, test
from mmpersonsearch.cli.run_config import build_evaluation, read_config
from mmpersonsearch.engine.pair_search_loop import with_query
from mmpersonsearch.registry import DATASETS
from mmpersonsearch.structures import PairImages

pytestmark = pytest.mark.filterwarnings("ignore:queries skipped")
CONFIG = """
_base_ = "{base}"
model = dict(
    backbone=dict(norm_eval=False),
    test_cfg=dict(rpn=dict(nms_pre=50, max_per_img=8), rcnn=dict(score_thr=0.0, max_per_img=4)),
)
test_dataloader = dict(num_workers=0, persistent_workers=False)
test_evaluator = dict(det_thr=0.0)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small set with a mini protocol, an untrained model whose batch norms are as if trained, and its config."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(tmp_path := tmp_path_factory.mktemp("qeeps"))
        monkeypatch.setattr(CheckpointLoader, "_schemes", dict(CheckpointLoader._schemes))
        yield write_folder(tmp_path, monkeypatch)


def write_folder(tmp_path, monkeypatch):
    for name, value in dict(LOCAL_RANK="0", SYNTH_WEIGHTS="none", OIM_CHECKPOINT="none", SYNTH_ROOT="prw/").items():
        monkeypatch.setenv(name, value)
    root = write_prw(tmp_path / "prw")
    lines = (root / "query_info.txt").read_text().splitlines()
    (root / "mini_query_info.txt").write_text("\n".join(lines[:2]) + "\n")
    (root / "mini_galleries.txt").write_text("c2s2_000011 c3s2_000013\nc3s2_000013 c1s2_000012\n")
    (tmp_path / "qeeps.py").write_text(CONFIG.format(base=SYNTH / "qeeps/qeeps_r18_synth-mini.py"))
    torch.manual_seed(0)
    model = build_model("qeeps.py")
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    torch.save(dict(state_dict=model.state_dict()), "qeeps.pth")
    return tmp_path


@torch.no_grad()
def test_a_test_gives_what_the_model_finds_in_each_pair(folder):
    test.main(["qeeps.py", "qeeps.pth", "--out", "predictions.pkl", "--work-dir", "work"])
    tested = json.loads((folder / "work/result.json").read_text())
    assert tested["protocol"]["galleries"] == [2] and tested["protocol"]["num_queries"] == 2

    config = read_config("qeeps.py")
    metric, _ = build_evaluation(config)
    protocol = metric.search_protocol()
    (results,) = metric.read("predictions.pkl", protocol).searched
    dataset = DATASETS.build(config.test_dataloader.dataset)
    model = build_model("qeeps.py", "qeeps.pth")

    def read(image):
        data = model.data_preprocessor(pseudo_collate([dataset[image]]))
        return model.extract_shared(data["inputs"]), data["data_samples"][0]

    for i, images in enumerate([[1, 3], [2, 3]]):
        maps, sample = read(0)
        assert results[i].image_inds.tolist() == images and len(results[i].scores) > 0
        for image in images:
            gallery_maps, gallery_sample = read(image)
            sides = PairImages(maps, [with_query(sample, i)]), PairImages(gallery_maps, [gallery_sample])
            (expected,) = model.detect_pairs(*sides)
            found = results[i].by_image(4)[image]
            torch.testing.assert_close(
                found.bboxes * gallery_sample.scale_factor[0], expected.bboxes, atol=1e-3, rtol=0
            )
            torch.testing.assert_close(found.scores, expected.scores, atol=1e-5, rtol=0)
            torch.testing.assert_close(found.similarities, expected.similarities, atol=1e-5, rtol=0)

    eval_command.main(["predictions.pkl", "qeeps.py", "--out", "again.json"])
    assert json.loads((folder / "again.json").read_text())["person_search/mAP"] == tested["person_search/mAP"]
    on_boxes.main(["qeeps.py", "qeeps.pth", "--device", "cpu", "--out", "boxes.json"])
    assert json.loads((folder / "boxes.json").read_text())["detection/recall"] == 1


def test_pairs_and_embeddings_agree_where_nothing_depends_on_the_query(folder):
    """Without its three modules QEEPS is OIM: the metrics of both ways of testing."""
    many = "dict(nms_pre=500, max_per_img=24), rcnn=dict(score_thr=0.0, max_per_img=24, nms=dict(iou_threshold=0.9))"
    text = CONFIG.format(base=SYNTH / "qeeps/qeeps_r18_synth-mini_wo-qsse.py")
    text = text.replace("model = dict(", "model = dict(\n    qrpn=None,\n    roi_head=dict(qsimnet=None),")
    text = text.replace("dict(nms_pre=50, max_per_img=8), rcnn=dict(score_thr=0.0, max_per_img=4)", many)
    (folder / "pairs.py").write_text(text)
    embeddings = 'test_evaluator = dict(_delete_=True, type="PersonSearchMetric", det_thr=0.0)\n'
    embeddings += "test_cfg = dict(_delete_=True)\n"
    (folder / "embeddings.py").write_text(text.replace("test_evaluator = dict(det_thr=0.0)\n", embeddings))
    results = []
    for name in ("pairs", "embeddings"):
        test.main([f"{name}.py", "qeeps.pth", "--work-dir", name])
        results.append(json.loads((folder / name / "result.json").read_text()))
    keys = [key for key in results[0] if key.startswith("person_search/")]
    assert results[0]["person_search/mAP"] > 0
    assert {key: results[0][key] for key in keys} == pytest.approx({key: results[1][key] for key in keys}, abs=1e-6)


def test_proposals_of_both_side_by_side(folder, monkeypatch):
    args = ["qeeps.py", "qeeps.pth", "--device", "cpu", "--out", "figures/proposals", "--number", "3"]
    plot_proposals.main([*args, "--images", "c3s2_000013", "c2s2_000011"])
    found = json.loads((folder / "figures/proposals.json").read_text())
    assert list(found["images"]) == ["c3s2_000013", "c2s2_000011"]
    for image, proposals in found["images"].items():
        assert list(proposals) == ["RPN", "QRPN", "RPN + QRPN"]
        for one in proposals.values():
            boxes = torch.tensor(one["bboxes"])
            assert boxes.shape == (3, 4) and (one["ious"] is None) == (image == "c3s2_000013")
            assert boxes.min() >= 0 and (boxes.amax(0) <= torch.tensor([160.1, 120.1, 160.1, 120.1])).all()
    for suffix in ("png", "svg"):
        assert (folder / f"figures/proposals.{suffix}").stat().st_size > 1000

    protocol = build_evaluation(read_config("qeeps.py"))[0].search_protocol()
    assert list(plot_proposals.choose_images(protocol, 0, None, 3)) == [1]  # the only one that shows the person
    for query, images, message in (
        (2, None, "the test split has queries 0 to 1"),
        (0, ["c1s2_000012"], "--images c1s2_000012: not in the gallery of query 0"),
    ):
        with pytest.raises(ValueError, match=message):
            plot_proposals.choose_images(protocol, query, images, 3)
    monkeypatch.setattr(plot_proposals, "build_model", lambda *args: torch.nn.Identity())
    with pytest.raises(SystemExit, match="model has no qrpn"):
        plot_proposals.main(args)


def test_sharing_is_measured_and_changes_nothing(folder, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT / "tools/analysis_tools"))
    spec = importlib.util.spec_from_file_location("benchmark_pairs", ROOT / "tools/analysis_tools/benchmark_pairs.py")
    monkeypatch.setitem(sys.modules, "benchmark_pairs", tool := importlib.util.module_from_spec(spec))
    spec.loader.exec_module(tool)
    small = ["--shape", "96", "128", "--queries", "2", "--galleries", "1", "--rounds", "1", "--device", "cpu"]
    tool.main(["qeeps.py", *small, "--json", "speed.json"])
    found = json.loads((folder / "speed.json").read_text())
    assert found["largest_difference"] <= 1e-5
    assert [row["part"] for row in found["rows"]] == ["whole", "base"]
    assert all(row["ratio"] == pytest.approx(row["anew_ms"] / row["shared_ms"]) for row in found["rows"])
    with pytest.raises(SystemExit, match="PersonSearchDetector does not search by pairs"):
        tool.main([str(SYNTH / "oim/oim_r18_synth.py"), *small])
