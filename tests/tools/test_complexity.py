"""get_flops.py and benchmark.py."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_tool(name, *args):
    """What a tool prints as JSON in its last line."""
    done = subprocess.run(
        [sys.executable, f"tools/analysis_tools/{name}.py", *map(str, args), "--json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_tdn_has_the_papers_complexity():
    """TDN's table VII."""
    parts = run_tool("get_flops", "configs/tdn/tdn_r50ibn_prw.py", "--shape", 600, 960, "--num-persons", 10)
    paper = dict(part1=42.2, roi_head=0.05, ktb=2.4, part2=2.9, total=101.6)
    assert {key: parts[key] for key in paper} == pytest.approx(paper, rel=0.03)
    assert parts["num_rois"] == 128


def test_oim_star_has_the_papers_complexity():
    parts = run_tool("get_flops", "configs/tdn/tdn_r50ibn_prw_oim-star.py", "--shape", 600, 960)
    assert (parts["part1"], parts["total"]) == pytest.approx((42.2, 413.4), rel=0.03)
    assert "ktb" not in parts


def test_benchmark_compares_two_models():
    small = ["--shape", 96, 128, "--rounds", 1, "--num-persons", 3]
    oim_star = "configs/tdn/tdn_r18ibn_synth_oim-star.py"
    report = run_tool("benchmark", "configs/tdn/tdn_r18ibn_synth.py", "--compare", oim_star, *small)
    tdn, other = report["results"]
    assert tdn["boxes_per_image"] == other["boxes_per_image"] == 3
    assert report["ratio"] == pytest.approx(tdn["images_per_second"] / other["images_per_second"])
    assert "KTB" in tdn["milliseconds"] and "shared head (Part-2)" in other["milliseconds"]
    assert sum(tdn["milliseconds"].values()) > 0
