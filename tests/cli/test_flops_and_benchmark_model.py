"""mmpersonsearch flops and mmpersonsearch benchmark model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(verb, *args):
    """What a command prints as JSON in its last line."""
    done = subprocess.run(
        [sys.executable, "-m", "mmpersonsearch", *verb.split(), *map(str, args), "--json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_tdn_has_the_papers_complexity():
    """TDN's table VII."""
    parts = run("flops", "configs/tdn/tdn_r50ibn_prw.py", "--shape", 600, 960, "--num-persons", 10)
    paper = dict(part1=42.2, roi_head=0.05, ktb=2.4, part2=2.9, total=101.6)
    assert {key: parts[key] for key in paper} == pytest.approx(paper, rel=0.03)
    assert parts["num_rois"] == 128


def test_oim_star_has_the_papers_complexity():
    parts = run("flops", "configs/tdn/tdn_r50ibn_prw_oim-star.py", "--shape", 600, 960)
    assert (parts["part1"], parts["total"]) == pytest.approx((42.2, 413.4), rel=0.03)
    assert "ktb" not in parts


def test_benchmark_compares_two_models():
    small = ["--shape", 96, 128, "--rounds", 1, "--num-persons", 3]
    oim_star = "tdn_r18ibn_synth_oim-star"
    report = run("benchmark model", "tdn_r18ibn_synth", "--compare", oim_star, *small)
    tdn, other = report["results"]
    assert tdn["boxes_per_image"] == other["boxes_per_image"] == 3
    assert report["ratio"] == pytest.approx(tdn["images_per_second"] / other["images_per_second"])
    assert "KTB" in tdn["milliseconds"] and "shared head (Part-2)" in other["milliseconds"]
    assert sum(tdn["milliseconds"].values()) > 0


def test_student_and_teacher_are_compared():
    """A student with KD_det counts as it is in testing, without teacher and adaptation."""
    small = ["--shape", 96, 128]
    teacher = "faster-rcnn_r50-c4_synth"
    report = run(
        "benchmark model",
        "oim_r18_synth_kd-det",
        "--compare",
        teacher,
        *small,
        "--rounds",
        1,
    )
    student, other = report["results"]
    # torchvision's ResNets without their classifiers; RPN with 12 anchors a cell, boxes, embedding.
    rpn = [128 * (9 * width + 1) + 129 * 12 * (1 + 4) for width in (128, 512)]
    boxes = [(width + 1) * (2 + 4) for width in (512, 2048)]
    assert student["million_parameters"] == pytest.approx((11_176_512 + rpn[0] + boxes[0] + 513 * 256) / 1e6)
    assert other["million_parameters"] == pytest.approx((23_508_032 + rpn[1] + boxes[1]) / 1e6)
    parts = run("flops", teacher, *small)
    assert parts["total_with_rpn"] == pytest.approx(other["gflops"], rel=0.02) and other["gflops"] > student["gflops"]
