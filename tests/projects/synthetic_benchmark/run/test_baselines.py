"""Fixed embeddings on true boxes: histograms worked out by hand, and a set on which they are certain."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from PIL import Image
from tiny_models import SYNTH

from mmpersonsearch.datasets import PRWDataset
from mmpersonsearch.registry import MODELS
from projects.synthetic_benchmark.generator import prw_layout
from projects.synthetic_benchmark.run import baselines, fixed_embeddings


def test_color_histogram_is_the_root_of_the_shares():
    crop = np.zeros((4, 4, 3), np.uint8)
    crop[:1] = (255, 0, 0)  # a quarter red, the rest black
    found = fixed_embeddings.color_histogram(crop, bins=2)
    np.testing.assert_allclose(found, [np.sqrt(0.75), 0, 0, 0, 0.5, 0, 0, 0])


def test_stripes_tell_trousers_from_top_where_colors_do_not():
    top_red, bottom_red = np.zeros((2, 12, 6, 3), np.uint8)
    top_red[:6], bottom_red[6:] = (255, 0, 0), (255, 0, 0)
    whole = fixed_embeddings.color_histogram(top_red) @ fixed_embeddings.color_histogram(bottom_red)
    stripes = fixed_embeddings.stripe_histogram(top_red) @ fixed_embeddings.stripe_histogram(bottom_red)
    assert whole == pytest.approx(1) and stripes == pytest.approx(0)
    assert np.linalg.norm(fixed_embeddings.stripe_histogram(top_red)) == pytest.approx(1)


@pytest.fixture
def root(tmp_path):
    """Six frames of two cameras, each with a red and a green block; red is 1, green 2; one frame without a person."""
    prw_layout.make_folders(tmp_path)
    rows = np.array([[1, 4, 10, 10, 20], [2, 24, 10, 10, 20]], dtype=float)
    names = [f"c{1 + i % 2}s1_{i:06d}" for i in range(6)]
    for name in names:
        frame = np.zeros((40, 40, 3), np.uint8)
        frame[10:30, 4:14], frame[10:30, 24:34] = (255, 0, 0), (0, 255, 0)
        prw_layout.write_frame(tmp_path, name, frame, rows)
    prw_layout.write_frame(tmp_path, "c1s1_000009", np.zeros((40, 40, 3), np.uint8), np.zeros((0, 5)))
    prw_layout.write_split(tmp_path, "test", [*names, "c1s1_000009"], [1, 2])
    prw_layout.write_queries(tmp_path, [(names[0], rows[0]), (names[1], rows[1])])
    return tmp_path


def test_colors_find_all_where_they_tell_persons_apart(root):
    dataset = PRWDataset(data_root=str(root), split="test")
    protocol = dataset.metainfo["search_protocol"]
    assert [query.camera_id for query in protocol.queries] == [1, 2]
    np.testing.assert_array_equal(protocol.queries[1].bbox, [24, 10, 34, 30])
    assert fixed_embeddings.measure(dataset, fixed_embeddings.color_histogram) == (1.0, 1.0)
    mean_ap, _ = fixed_embeddings.measure(dataset, fixed_embeddings.random_embedding(0))
    assert 0.3 < mean_ap < 0.9  # half of the candidates are right


def test_crops_are_the_boxes_at_the_size_of_a_crop(root):
    seen = []

    def embed(crop):
        seen.append(crop)
        return np.ones(3)

    feats = fixed_embeddings.embed_boxes(root / "frames/c1s1_000000.jpg", np.array([[24.0, 10, 34, 30]]), embed)
    assert feats.shape == (1, 3) and seen[0].shape == (128, 64, 3)
    assert np.abs(seen[0][8:-8, 8:-8].astype(int) - (0, 255, 0)).max() < 30
    assert np.asarray(Image.open(root / "frames" / "c1s1_000000.jpg")).shape == (40, 40, 3)


def test_table_has_a_row_for_each_embedding(root, capsys):
    baselines.main([str(root)])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:22].strip() for line in lines] == [
        "true boxes", "random", "color histogram", "six-stripe histogram"
    ]  # fmt: skip
    assert lines[2].split()[-2:] == ["100.0", "100.0"]


def test_a_reid_model_embeds_as_in_its_own_testing(tmp_path):
    config = SYNTH / "reid/bot_r18ibn_synth.py"
    cfg = Config.fromfile(config)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = MODELS.build(cfg.model).eval()
    torch.save(dict(state_dict=model.state_dict()), tmp_path / "reid.pth")
    crop = np.random.default_rng(0).integers(0, 256, (128, 64, 3), dtype=np.uint8)
    found = baselines.reid_embedding(str(config), str(tmp_path / "reid.pth"))(crop)

    pixels = (crop - np.array(cfg.model.data_preprocessor.mean)) / np.array(cfg.model.data_preprocessor.std)  # RGB
    with torch.no_grad():
        expected = model(torch.tensor(pixels, dtype=torch.float32).permute(2, 0, 1)[None], mode="tensor")[0]
    np.testing.assert_allclose(found, expected / expected.norm(), atol=1e-5)


def test_a_missing_set_ends_in_a_message(tmp_path):
    with pytest.raises(SystemExit, match=r"run\.baselines: .*nowhere"):
        baselines.main([str(tmp_path / "nowhere")])
