"""mmpersonsearch flops."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmpersonsearch.cli import flops
from mmpersonsearch.registry import MODELS

ROOT = Path(__file__).parents[2]


@pytest.fixture
def count(capsys):
    """What the command prints as JSON in its last line."""

    def count(config, *args):
        flops.main([str(ROOT / config), *map(str, args), "--json"])
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return count


def test_tdn_has_the_papers_complexity(count):
    """TDN's table VII."""
    parts = count("configs/tdn/tdn_r50ibn_prw.py", "--shape", 600, 960, "--num-persons", 10)
    paper = dict(part1=42.2, roi_head=0.05, ktb=2.4, part2=2.9, total=101.6)
    assert {key: parts[key] for key in paper} == pytest.approx(paper, rel=0.03)
    assert parts["num_rois"] == 128


def test_oim_star_has_the_papers_complexity(count):
    parts = count("configs/tdn/tdn_r50ibn_prw_oim-star.py", "--shape", 600, 960)
    assert (parts["part1"], parts["total"]) == pytest.approx((42.2, 413.4), rel=0.03)
    assert "ktb" not in parts


def test_a_pair_of_qeeps_by_its_weights():
    """Both bases, 301 RoIs and one RPN as OIM's; each weight of gates and QRPN once, of convolutions per position."""
    cfg = Config.fromfile(ROOT / "configs/qeeps/qeeps_r18_cuhk.py")
    init_default_scope(cfg.default_scope)
    with torch.device("meta"):
        model = MODELS.build(cfg.model).eval()
        parts = flops.count_parts(model, 608, 960, num_persons=10)
    new = [p for part in (model.qsse, model.qrpn) for p in part.parameters() if p.dim() > 1]
    weights = sum(p.numel() * (38 * 60 if p.dim() == 4 else 1) for p in new)
    assert parts["pair"] == pytest.approx(
        2 * parts["part1"] + parts["rpn"] + 301 * parts["shared_head"] + 2e-9 * weights, rel=1e-6
    )
    assert parts["pair"] / parts["total_with_rpn"] == pytest.approx(324 / 285, rel=2e-3)  # configs/qeeps/README.md


def test_a_model_without_rois_is_refused():
    config = str(ROOT / "projects/deskpro/configs/deskpro_osnet-x025_clothes-synth_body.py")
    with pytest.raises(SystemExit, match=rf"{config}: expected a model with an RoI head, got a TwoStreamReID"):
        flops.main([config])
