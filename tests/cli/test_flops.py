"""mmpersonsearch flops."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def count(*args):
    """What the command prints as JSON in its last line."""
    done = subprocess.run(
        [sys.executable, "-m", "mmpersonsearch", "flops", *map(str, args), "--json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_tdn_has_the_papers_complexity():
    """TDN's table VII."""
    parts = count("configs/tdn/tdn_r50ibn_prw.py", "--shape", 600, 960, "--num-persons", 10)
    paper = dict(part1=42.2, roi_head=0.05, ktb=2.4, part2=2.9, total=101.6)
    assert {key: parts[key] for key in paper} == pytest.approx(paper, rel=0.03)
    assert parts["num_rois"] == 128


def test_oim_star_has_the_papers_complexity():
    parts = count("configs/tdn/tdn_r50ibn_prw_oim-star.py", "--shape", 600, 960)
    assert (parts["part1"], parts["total"]) == pytest.approx((42.2, 413.4), rel=0.03)
    assert "ktb" not in parts
