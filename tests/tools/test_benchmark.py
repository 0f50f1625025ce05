"""The benchmark of models, as a script and beside the count of their operations."""

import json
from statistics import mean, stdev
from types import SimpleNamespace

import benchmark
import pytest
import torch
from dataset_writers import write_prw
from model_timers import BareLayers
from torch import nn
from torch.nn import Linear
from torch.utils.flop_counter import FlopCounterMode

from mmpersonsearch.apis import build_model
from mmpersonsearch.cli.flops import count_parts


@pytest.fixture
def run(capsys):
    """Gives what the script prints as JSON in its last line."""

    def start(*args):
        benchmark.main([*map(str, args), "--device", "cpu", "--json"])
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return start


def test_benchmark_compares_two_models(run):
    small = ["--shape", 96, 128, "--rounds", 1, "--num-persons", 3, "--layers"]
    oim_star = "tdn_r18ibn_synth_oim-star"
    report = run("tdn_r18ibn_synth", "--compare", oim_star, *small)
    tdn, other = report["results"]
    assert tdn["boxes_per_image"] == other["boxes_per_image"] == 3
    assert report["ratio"] == pytest.approx(tdn["images_per_second"] / other["images_per_second"])
    assert "KTB" in tdn["milliseconds"] and "shared head (Part-2)" in other["milliseconds"]
    assert sum(tdn["milliseconds"].values()) > 0
    # Of the bare layers Part-1's are a part; convolutions take more time than anything else.
    for one in report["results"]:
        assert 0 < one["bare_layers_of_backbone_ms"] < one["bare_layers_ms"] and one["bare_products_ms"] > 0
        assert one["kinds_ms"]["convolutions"] > one["kinds_ms"]["norms"] > 0


@torch.no_grad()
def test_bare_layers_are_those_that_ran():
    """A clock that counts the operations of what runs between its readings: layers and products have the model's."""
    model = nn.ModuleDict(
        dict(backbone=nn.Conv2d(4, 6, 3, stride=2, padding=1), head=nn.Linear(6, 5), idle=nn.Linear(2, 2))
    )
    x = torch.rand(2, 4, 8, 10)
    layers = BareLayers(model, lambda: model["head"](model["backbone"](x).mean((2, 3))))
    assert [(name, tuple(shape)) for name, _, shape, _ in layers.layers] == [
        ("backbone", tuple(x.shape)),
        ("head", (2, 6)),
    ]
    with FlopCounterMode(display=False) as counter:
        of_layers, of_products = layers.run(counter.get_total_flops, lambda: None)
        assert layers.run(counter.get_total_flops, lambda: None, "head") == (2 * 2 * 6 * 5,) * 2
    assert of_layers == of_products == 2 * 2 * 20 * 6 * 4 * 9 + 2 * 2 * 6 * 5


def test_training_beside_mmdetection(run):
    """Of one image: the steps change the weights, and all have as many RoIs."""
    small = ["--shape", 96, 128, "--rounds", 1, "--num-persons", 3]
    report = run("tdn_r18ibn_synth", "--train", *small)
    ours, theirs = report["results"]
    assert ours["num_rois"] == theirs["num_rois"] and ours["ratio"] == ours["seconds_a_step"] / theirs["seconds_a_step"]
    assert theirs["config"] == "MMDetection's faster-rcnn_r50-caffe-c4.py"


def test_student_and_teacher_are_compared(run):
    """A student with KD_det counts as it is in testing, without teacher and adaptation."""
    small = ["--shape", 96, 128]
    teacher = "faster-rcnn_r50-c4_synth"
    report = run("oim_r18_synth_kd-det", "--compare", teacher, *small, "--rounds", 1)
    student, other = report["results"]
    # torchvision's ResNets without their classifiers; RPN with 12 anchors a cell, boxes, embedding.
    rpn = [128 * (9 * width + 1) + 129 * 12 * (1 + 4) for width in (128, 512)]
    boxes = [(width + 1) * (2 + 4) for width in (512, 2048)]
    assert student["million_parameters"] == pytest.approx((11_176_512 + rpn[0] + boxes[0] + 513 * 256) / 1e6)
    assert other["million_parameters"] == pytest.approx((23_508_032 + rpn[1] + boxes[1]) / 1e6)
    parts = count_parts(build_model(teacher), 96, 128, 10)
    assert parts["total_with_rpn"] == pytest.approx(other["gflops"], rel=0.02) and other["gflops"] > student["gflops"]


def test_test_images_are_timed_one_at_a_time(tmp_path, monkeypatch, capsys):
    """Their pixels, boxes and time are those of the split; reading is not timed."""
    monkeypatch.setenv("SYNTH_ROOT", f"{write_prw(tmp_path / 'prw')}/")
    seen = []
    images = benchmark.TestImages
    read = images.__getitem__

    def spy(self, place):
        seen.append(place)
        batch = read(self, place)
        assert "query_instances" in self.dataset[self.inds[place]]["data_samples"]
        assert "query_instances" not in batch["data_samples"][0]
        return batch

    monkeypatch.setattr(images, "__getitem__", spy)
    options = ["--num-images", "2", "--num-persons", "2", "--device", "cpu", "--json"]
    small = ["--cfg-options", "test_dataloader.dataset.pipeline.1.scale=(96,64)", "model.test_cfg.rpn.max_per_img=8"]
    benchmark.main(["tdn_r18ibn_synth_wo-teacher", *options, "--warm-up", "3", "--rounds", "2", *small])
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert seen == [0, 1, 0, 0, 1, 0, 1] and report["num_images"] == 2 and "shape" not in report
    (found,) = {one["config"]: one for one in report["results"]}.values()
    times = [image["milliseconds"] for image in found["images"]]
    assert len(times) == 4 and found["boxes_per_image"] == 2 and found["boxes_spread"] == 0
    assert (
        found["milliseconds_per_image"]
        == pytest.approx(mean(times))
        == pytest.approx(sum(found["milliseconds"].values()))
    )
    assert found["milliseconds_spread"] == pytest.approx(stdev(times))
    assert found["images_per_second"] == pytest.approx(1e3 / mean(times))
    parts = found["detector_milliseconds"] + found["reid_milliseconds"]
    assert parts == pytest.approx(mean(times)) and 0 < found["reid_milliseconds"] < mean(times)


def test_summary_of_test_images_by_hand():
    """Images of 1, 2 and 6 seconds with 1, 2 and 3 persons, of which Re-ID takes 3 seconds and the backbone 4."""
    one = benchmark.Contestant.__new__(benchmark.Contestant)
    one.config, one.images, one.gflops, one.trained = "c", [0, 1, 2], None, Linear(1, 1)
    one.bare = []
    one.times, one.num_boxes = [1.0, 2.0, 6.0], [1, 2, 3]
    one.timer = SimpleNamespace(seconds={"Part-2": 2.0, "Re-ID head": 1.0, "backbone (Part-1)": 4.0})
    found = one.summary()
    assert found["images_per_second"] == pytest.approx(1 / 3) and found["milliseconds_per_image"] == 3000
    assert found["milliseconds_spread"] == pytest.approx(1e3 * 7**0.5) and found["boxes_spread"] == 1
    assert (found["reid_milliseconds"], found["detector_milliseconds"]) == (1000, 2000)
    assert found["milliseconds"]["rest"] == pytest.approx(2000 / 3)
    one.images = None  # random images are alike: the median
    assert one.summary()["images_per_second"] == 0.5 and "images" not in one.summary()
    benchmark.print_summaries([found, found])
