import json

import pytest
from benchmark_gallery import main

pytest.importorskip("pymilvus", reason="galleries need pymilvus and milvus-lite (extra gallery)")
pytest.importorskip("milvus_lite", reason="galleries need pymilvus and milvus-lite (extra gallery)")


def test_a_small_gallery_is_measured(tmp_path, capsys):
    sizes = ["--persons", "300", "--dim", "16", "--queries", "2", "--batch", "8"]
    main([*sizes, "--json", str(tmp_path / "b.json")])
    row = json.loads((tmp_path / "b.json").read_text())
    assert row["recall"] == 1 and "by FLAT, 100 queries" in capsys.readouterr().out
    assert min(row[key] for key in ("persons_a_second", "search_s", "rcp_s", "product_s", "search_cpu_s")) > 0
