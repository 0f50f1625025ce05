import json
from argparse import Namespace

import numpy as np
import pytest
from benchmark_gallery import draw_scenes, main

from mmpersonsearch.apis import Gallery

pytest.importorskip("pymilvus", reason="galleries need pymilvus and milvus-lite (extra gallery)")
pytest.importorskip("milvus_lite", reason="galleries need pymilvus and milvus-lite (extra gallery)")


def test_a_small_gallery_is_measured(tmp_path, capsys, monkeypatch):
    counts, check = [], Gallery.check_recall

    def check_recall(self, **options):
        counts.append(self.count())
        return check(self, **options)

    monkeypatch.setattr(Gallery, "check_recall", check_recall)
    sizes = ["--persons", "300", "--dim", "16", "--queries", "2", "--batch", "8", "--gallery", str(tmp_path / "g")]
    main([*sizes, "--json", str(tmp_path / "b.json")])
    row = json.loads((tmp_path / "b.json").read_text())
    assert row["recall"] == 1 and "by FLAT, 100 queries" in capsys.readouterr().out
    assert min(row[key] for key in ("persons_a_second", "search_s", "rcp_s", "product_s", "search_cpu_s")) > 0
    assert counts == [(42, 294)]
    with pytest.raises(FileNotFoundError, match="has no gallery"):
        Gallery(tmp_path / "g")  # what was drawn is removed


def test_drawn_persons_are_of_identities():
    args = Namespace(persons=2000, dim=64, per_scene=5, batch=30)
    parts = list(draw_scenes(np.random.default_rng(0), args))
    scenes = [scene for part in parts for scene in part]
    assert [len(part) for part in parts] == [30] * 13 + [10] and len({scene.image for scene in scenes}) == 400
    feats = np.concatenate([scene.feats for scene in scenes])
    np.testing.assert_allclose(np.linalg.norm(feats, axis=1), 1, atol=1e-5)
    alike = (feats @ feats.T > 0.5).sum(1) - 1  # 100 identities of twenty persons
    assert 15 < np.median(alike) < 25
