import json

import pytest
from benchmark_eval import main


@pytest.mark.parametrize("shape", ["prw", "cuhk"])
def test_the_loop_gives_the_same_average_precisions(shape, tmp_path):
    sizes = ["--fractions", "0.0005", "0.001", "--dim", "16", "--rounds", "1", "--loop-queries", "5"]
    main(["--shape", shape, *sizes, "--json", str(tmp_path / "b.json")])
    result = json.loads((tmp_path / "b.json").read_text())
    first, last = result["rows"]
    assert result["shape"] == shape and first["detections"] < last["detections"]
    assert last["loop_queries"] == 5 and last["largest_difference"] < 1e-9
    assert first["search_s"] > 0 and "loop_queries" not in first
