import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from PIL import Image

from mmpersonsearch.evaluation import evaluate_search
from mmpersonsearch.evaluation.metrics import ranking_pictures
from mmpersonsearch.evaluation.metrics.ranking_pictures import RankingPictures
from mmpersonsearch.structures import ImageList, Listed, Query, SceneImage, SearchProtocol

BOX = (10, 10, 40, 80)


@pytest.fixture
def tested(tmp_path):
    """A protocol with galleries of two sizes, what a model gave, and a folder of images."""
    rng = np.random.default_rng(0)
    names = [f"{i}.png" for i in range(6)]
    for name in names:
        Image.new("RGB", (60, 100), (90, 90, 90)).save(tmp_path / name)
    images = [SceneImage(name, [BOX], [i % 3]) for i, name in enumerate(names)]
    queries = [Query(name, BOX, i % 3) for i, name in enumerate(names)]
    galleries = {}
    for size in (5, 4):
        inds = [np.array([j for j in range(6) if j != i][-size:]) for i in range(6)]
        present = [[place for place, j in enumerate(near) if j % 3 == i % 3] for i, near in enumerate(inds)]
        galleries[size] = [ImageList(near, places, [BOX] * len(places)) for near, places in zip(inds, present)]
    protocol = SearchProtocol(images, queries, Listed(galleries))
    samples = []
    for i, name in enumerate(names):
        feats = torch.tensor(rng.normal(size=(2, 1, 3)))
        found = dict(bboxes=torch.tensor([BOX]).float(), scores=torch.tensor([0.9]), reid_feats=feats[0])
        query = dict(query_ids=torch.tensor([i]), reid_feats=feats[1])
        samples.append(dict(img_id=name, pred_instances=found, query_instances=query))
    return protocol, samples


def test_worst_queries_are_drawn_as_crops_and_as_scenes(tested, tmp_path, monkeypatch):
    protocol, samples = tested
    drawn = []
    function = ranking_pictures.draw_ranking

    def spy(protocol, rankings, *args, **kwargs):
        drawn.append((rankings, kwargs["row_titles"]))
        return function(protocol, rankings, *args, **kwargs)

    monkeypatch.setattr(ranking_pictures, "draw_ranking", spy)
    metric = RankingPictures(tmp_path / "show", lambda img_id: str(tmp_path / img_id), num_queries=3, k=2)
    metric.dataset_meta = dict(search_protocol=protocol)
    metric.process({}, samples[:4])
    metric.process({}, samples[4:])
    assert metric.evaluate(6) == {}

    feats = torch.cat([sample["query_instances"]["reid_feats"] for sample in samples])
    aps = evaluate_search(protocol, [InstanceData(**s["pred_instances"]) for s in samples], feats, gallery=5).aps
    assert len(drawn) == 2
    for rankings, titles in drawn:
        inds = [ranking.query_ind for ranking in rankings]
        assert sorted(aps)[:3] == [aps[i] for i in inds]
        assert [len(ranking.image_inds) for ranking in rankings] == [2, 2, 2]
        assert all(title.endswith(f"AP {100 * aps[i]:.1f}%") for title, i in zip(titles, inds))
    assert {path.name for path in (tmp_path / "show").iterdir()} == {"ranking_crops.png", "ranking_scenes.png"}
    crops, scenes = (Image.open(tmp_path / "show" / f"ranking_{name}.png") for name in ("crops", "scenes"))
    assert crops.width < scenes.width
