import json

import benchmark_memories as tool
import torch


def test_update_and_loop_give_the_same_table(tmp_path, capsys):
    tool.main(["--samples", "24", "--ids", "50", "--dim", "8", "--rounds", "2", "--json", str(tmp_path / "a.json")])
    report = json.loads((tmp_path / "a.json").read_text())
    rows = report["rows"]
    assert [row["case"].split(",")[0] for row in rows] == ["LUT", "LUT", "LUT", "CQ"]
    assert all(row["largest_difference"] < 1e-6 for row in rows[:3])
    assert all(row["update_ms"] > 0 for row in rows)
    cases = [row["case"] for row in report["losses"]]
    assert cases[:4] == ["w of BOIM", "OIM", "BOIM", "BOIM without w"]
    assert cases[4:] == ["priority classes", "OLP", "HEP", "C2HEP"]
    assert all(row["step_ms"] > 0 and row["step_mib"] >= 0 for row in report["losses"])
    printed = capsys.readouterr().out
    assert "LUT, one person" in printed and "w of BOIM" in printed


def test_memory_is_that_of_the_call():
    held = tool.most_mib(lambda: torch.ones(50 * 2**18), torch.device("cpu"))  # 50 MiB
    assert 45 < held < 60


def test_cases_differ_in_how_often_a_person_repeats():
    cases = tool.draw_person_ids(128, 5532, torch.Generator().manual_seed(0))
    most = [int(person_ids.bincount().max()) for person_ids in cases.values()]
    assert [len(person_ids) for person_ids in cases.values()] == [128] * 3
    assert most[0] <= 3 and most[1] == 8 and most[2] == 128
