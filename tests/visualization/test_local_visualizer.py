from types import SimpleNamespace

import numpy as np
import torch
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.structures import DetDataSample
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer
from PIL import Image

from mmpersonsearch.registry import VISUALIZERS
from mmpersonsearch.visualization import PersonSearchLocalVisualizer

FOUND, QUERY, TRUTH = (0, 114, 178), (255, 176, 0), (0, 158, 115)


def sample(img_path="frame.jpg", query=True, truth=False, num_found=2):
    result = DetDataSample(metainfo=dict(img_path=img_path))
    result.pred_instances = InstanceData(
        bboxes=torch.tensor([[40.0, 60, 100, 260], [200, 60, 260, 260]])[:num_found],
        scores=torch.tensor([0.9, 0.1])[:num_found],
        labels=torch.zeros(num_found, dtype=torch.int64),
        reid_feats=torch.zeros(num_found, 4),
    )
    queries = torch.tensor([[300.0, 60, 360, 500]])[: int(query)]  # reaches out of the image
    result.query_instances = InstanceData(bboxes=queries, query_ids=torch.arange(len(queries)))
    if truth:
        result.gt_instances = InstanceData(
            bboxes=torch.tensor([[120.0, 60, 180, 260]]), labels=torch.zeros(1), person_ids=torch.tensor([5])
        )
    return result


def draw(tmp_path, data_sample, **kwargs):
    visualizer = PersonSearchLocalVisualizer(alpha=1.0)
    image = np.zeros((300, 400, 3), dtype=np.uint8)
    visualizer.add_datasample("scene", image, data_sample, out_file=str(tmp_path / "scene.png"), **kwargs)
    return np.asarray(Image.open(tmp_path / "scene.png").convert("RGB")).astype(int)


def has_color(picture, color, columns):
    return bool((np.abs(picture[:, columns] - color).max(2) < 25).sum() > 50)


def number_ground(picture):
    """Pixels of the ground of annotated persons' numbers, 0.8 of the colour on black."""
    return (np.abs(picture - 0.8 * np.array(TRUTH)).max(2) < 8).sum()


def test_detections_and_queries_have_colors_of_their_own(tmp_path):
    picture = draw(tmp_path, sample())
    assert picture.shape == (300, 400, 3)
    assert has_color(picture, FOUND, slice(30, 110))
    assert not has_color(picture, FOUND, slice(190, 400))  # score 0.1 < 0.3
    assert has_color(picture, QUERY, slice(290, 370)) and not has_color(picture, QUERY, slice(0, 280))
    assert has_color(draw(tmp_path, sample(), pred_score_thr=0.05), FOUND, slice(190, 270))


def test_truth_stands_beside_detections(tmp_path):
    picture = draw(tmp_path, sample(truth=True))
    assert picture.shape == (300, 800, 3)
    assert has_color(picture, TRUTH, slice(110, 190)) and not has_color(picture, TRUTH, slice(400, 800))
    assert has_color(picture, FOUND, slice(430, 510)) and not has_color(picture, FOUND, slice(0, 400))
    assert has_color(picture, QUERY, slice(290, 370)) and has_color(picture, QUERY, slice(690, 770))
    assert draw(tmp_path, sample(truth=True), draw_gt=False).shape == (300, 400, 3)


def test_unlabelled_persons_are_dashed_and_without_number(tmp_path):
    data_sample = sample(query=False, num_found=0)
    data_sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[50.0, 60, 110, 260], [250, 60, 310, 260]]), person_ids=torch.tensor([0, -1])
    )
    picture = draw(tmp_path, data_sample, draw_pred=False)

    def share_of_left_edge(x):
        """How much of the box's left side is drawn."""
        return (np.abs(picture[60:260, x - 1 : x + 2] - TRUTH).max(2).min(1) < 60).mean()

    assert share_of_left_edge(50) > 0.95
    assert 0.4 < share_of_left_edge(250) < 0.85
    assert number_ground(picture[:58]) > 100
    assert not picture[:55, 200:].any()


def test_labels_of_boxes_at_one_place_are_all_readable(tmp_path):
    data_sample = sample(query=False, num_found=0)
    box = [100.0, 100, 300, 280]
    data_sample.gt_instances = InstanceData(bboxes=torch.tensor([box]), person_ids=torch.tensor([8]))
    one = draw(tmp_path, data_sample)
    data_sample.gt_instances = InstanceData(bboxes=torch.tensor([box] * 3), person_ids=torch.tensor([8, 8, 8]))
    three = draw(tmp_path, data_sample)
    assert number_ground(one) > 100
    # Somewhat less than thrice: a number inside of the box lies over its line.
    assert number_ground(three) > 2 * number_ground(one)


def test_nothing_to_draw(tmp_path):
    assert draw(tmp_path, sample(query=False, num_found=0)).max() == 0
    assert draw(tmp_path, None).max() == 0


def test_used_by_the_visualization_hook(tmp_path):
    path = tmp_path / "c1s1_000001.jpg"
    Image.new("RGB", (400, 300)).save(path)
    with DefaultScope.overwrite_default_scope("mmpersonsearch"):
        visualizer = VISUALIZERS.build(dict(type="PersonSearchLocalVisualizer", name="hook", alpha=1.0))
    assert Visualizer.get_current_instance() is visualizer
    hook = DetVisualizationHook(draw=True, test_out_dir="vis")
    runner = SimpleNamespace(work_dir=str(tmp_path), timestamp="now")
    hook.after_test_iter(runner, 0, {}, [sample(str(path))])
    picture = np.asarray(Image.open(tmp_path / "now" / "vis" / path.name)).astype(int)
    assert has_color(picture, QUERY, slice(290, 370))


def test_identities_have_the_annotations_numbers():
    visualizer = PersonSearchLocalVisualizer()
    assert [visualizer._name_identity(i) for i in (-1, 8)] == ["", "id 8"]
    visualizer.dataset_meta = dict(identities=[3, 8, 20])  # of a training set
    assert [visualizer._name_identity(i) for i in (-1, 1)] == ["", "id 8 (label 1)"]


def test_regions_to_ignore_are_gray_and_dotted(tmp_path):
    data_sample = sample(query=False, truth=True, num_found=0)
    data_sample.ignored_instances = InstanceData(bboxes=torch.tensor([[220.0, 60, 380, 260]]), labels=torch.zeros(1))
    picture = draw(tmp_path, data_sample, draw_pred=False)
    line = np.abs(picture[70:250, 218:223] - 160).max(2).min(1) < 40
    assert 0.2 < line.mean() < 0.8
    assert has_color(picture, TRUTH, slice(110, 190)) and not has_color(picture, TRUTH, slice(215, 400))
