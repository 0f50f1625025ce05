"""Drawn scenes for galleries, and what the evaluation makes of them."""

import numpy as np
import torch
from mmengine.structures import InstanceData

from mmpersonsearch.apis import Query
from mmpersonsearch.apis.gallery_rows import Scene
from mmpersonsearch.evaluation.ranking_list import rank_gallery
from mmpersonsearch.structures import Query as ProtocolQuery
from mmpersonsearch.structures import SceneImage, SearchProtocol

FACTS = dict(model="drawn", fingerprint="sha256:drawn", width=8, score_thr=0.5, root="/archive")


def draw_scenes(number=30, seed=0):
    """Scenes of 0 to 5 persons with random embeddings, many of them near each other, some of them equal."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(6, 8))
    scenes = []
    for i in range(number):
        n = int(rng.integers(0, 6))
        feats = centers[rng.integers(6, size=n)] + 0.3 * rng.normal(size=(n, 8))
        feats /= np.linalg.norm(feats, axis=1, keepdims=True).clip(1e-9)
        corners = rng.uniform(0, 50, (n, 2))
        bboxes = np.hstack([corners, corners + rng.uniform(10, 40, (n, 2))])
        where = dict(camera=f"c{i % 3}", time=None if i % 4 == 3 else 1000.0 + i)
        persons = (bboxes, rng.uniform(0.5, 1, n), feats.astype(np.float32))
        scenes.append(Scene(f"{i:03d}.jpg", 10 + i, 20 + i, *persons, **where))
    equal = min(len(scene.feats) for scene in (scenes[8], scenes[9]))
    scenes[9].feats[:equal] = scenes[8].feats[:equal]
    return scenes


def query_of(scenes, place=0, number=0):
    """A person of a scene, which is also the query's own picture."""
    scene = scenes[place]
    bboxes, scores, feats = (torch.tensor(one).float() for one in (scene.bboxes, scene.scores, scene.feats))
    found = InstanceData(bboxes=bboxes, scores=scores, reid_feats=feats)
    own = scene.bboxes[number : number + 1]
    return Query(feats[number], [found], own, [scene.image], FACTS["fingerprint"])


def order_of_evaluation(scenes, query_scene, number, ranking):
    """The pictures and similarities in the order of the evaluation, of all pictures but the query's."""
    protocol = SearchProtocol(
        [SceneImage(scene.image, scene.bboxes, np.zeros(len(scene.bboxes))) for scene in scenes],
        [ProtocolQuery(scenes[query_scene].image, scenes[query_scene].bboxes[number], 0)],
    )
    detections = [
        InstanceData(bboxes=torch.tensor(s.bboxes).float().reshape(-1, 4), scores=torch.tensor(s.scores).float(),
                     reid_feats=torch.tensor(s.feats).reshape(-1, 8))
        for s in scenes
    ]  # fmt: skip
    feats = torch.tensor(scenes[query_scene].feats[number])[None]
    (ranked,) = rank_gallery(protocol, detections, feats, [0], k=len(scenes), det_thr=0.0, ranking=ranking)
    names = [scenes[i].image for i in ranked.image_inds]
    return names, ranked.similarities, ranked.bboxes
