import json

import benchmark_eval


def test_search_and_loop_agree(tmp_path, monkeypatch, capsys):
    shape = benchmark_eval.Shape(60, 400, 20, 10, (10, 30))
    monkeypatch.setitem(benchmark_eval.SHAPES, "cuhk", shape)
    args = ["--shape", "cuhk", "--dim", "16", "--rounds", "1", "--loop-queries", "5", "--fractions", "0.5", "1"]
    benchmark_eval.main([*args, "--json", str(tmp_path / "eval.json")])
    half, whole = json.loads((tmp_path / "eval.json").read_text())["rows"]
    assert (half["queries"], whole["queries"], whole["detections"]) == (14, 20, 400)
    assert whole["largest_difference"] < 1e-6 and whole["loop_queries"] == 5
    assert whole["search_s"] > 0 and whole["search_and_rcp_s"] > 0
    assert "loop_s_a_query" in capsys.readouterr().out
