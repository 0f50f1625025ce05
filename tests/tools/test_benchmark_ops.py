import json

import benchmark_ops
import torch


def test_measures_every_case(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark_ops, "CASES", benchmark_ops.CASES[-3:])
    benchmark_ops.main(["--rounds", "1", "--layouts", "contiguous", "--json", str(tmp_path / "ops.json")])
    rows = json.loads((tmp_path / "ops.json").read_text())["rows"]
    assert [row["case"].partition(":")[0] for row in rows[:3]] == ["TDN, Re-ID", "TDN, crops", "I-Net, VGG-16"]
    assert all(row["forward"] > 0 and row["step"] > 0 for row in rows[:3])
    assert all(row.get("difference", 0) < 1e-4 for row in rows)
    assert rows[-1]["case"].startswith("NMS of 2,000 boxes") and "Operators on a CPU" in capsys.readouterr().out


def test_boxes_are_proper():
    boxes, scores = benchmark_ops.draw_boxes(500, 40.0)
    assert (boxes[:, 2:] > boxes[:, :2]).all() and scores.shape == (500,)
    rois = benchmark_ops.draw_rois(50)
    assert (rois[:, 1:3] >= 0).all() and (rois[:, 3:] <= torch.tensor([960.0, 600])).all()
