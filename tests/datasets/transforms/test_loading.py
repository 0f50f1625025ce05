import warnings

import numpy as np
import pytest
from dataset_writers import write_image

from mmpersonsearch.datasets import LoadPersonSearchAnnotations, LoadSceneImage, PRWDataset


def instance(box, person_id):
    return dict(bbox=box, bbox_label=0, ignore_flag=0, person_id=person_id)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "zeros"])
def test_undecodable_image_is_named(tmp_path, damage):
    path = tmp_path / "frame.jpg"
    write_image(path)
    good = path.read_bytes()
    path.write_bytes({"cut": good[: len(good) // 2], "empty": b"", "text": b"hello", "zeros": b"\0" * 500}[damage])
    with pytest.raises(ValueError, match=f"{path} cannot be decoded as an image"):
        LoadSceneImage()(dict(img_path=str(path)))


def test_missing_image_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"frame.jpg"):
        LoadSceneImage()(dict(img_path=str(tmp_path / "frame.jpg")))


def test_undecodable_image_in_a_dataset(prw_root):
    path = prw_root / "frames" / "c2s1_000002.jpg"
    path.write_bytes(b"")
    dataset = PRWDataset(data_root=str(prw_root), pipeline=[dict(type="LoadSceneImage")])
    dataset[0]
    with pytest.raises(ValueError, match=f"{path} cannot be decoded"):
        dataset[1]


def test_identities_are_loaded_beside_boxes():
    results = dict(ori_shape=(100, 200), instances=[instance([1, 2, 30, 40], 7), instance([5, 6, 50, 60], -1)])
    results = LoadPersonSearchAnnotations()(results)
    assert results["gt_bboxes"].tensor.tolist() == [[1, 2, 30, 40], [5, 6, 50, 60]]
    assert results["gt_instances_ids"].tolist() == [7, -1] and results["gt_instances_ids"].dtype == np.int64
    assert results["gt_bboxes_labels"].tolist() == [0, 0]


def test_training_boxes_are_clipped_and_those_outside_left_out():
    instances = [instance([150, 50, 230, 130], 3), instance([200, 5, 220, 50], 4), instance([1, 2, 30, 40], 5)]
    with pytest.warns(UserWarning, match="frame: 1 boxes lie outside"):
        results = LoadPersonSearchAnnotations()(dict(ori_shape=(100, 200), instances=instances, img_path="frame"))
    assert results["gt_bboxes"].tensor.tolist() == [[150, 50, 200, 100], [1, 2, 30, 40]]
    assert results["gt_instances_ids"].tolist() == [3, 5]
    assert len(results["gt_bboxes_labels"]) == len(results["gt_ignore_flags"]) == 2


def test_the_warning_comes_once():
    load = LoadPersonSearchAnnotations()
    with pytest.warns(UserWarning):
        load(dict(ori_shape=(10, 10), instances=[instance([20, 5, 30, 8], 4)]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(dict(ori_shape=(10, 10), instances=[instance([20, 5, 30, 9], 4)]))


def test_truth_of_the_evaluation_is_not_clipped():
    results = dict(ori_shape=(100, 200), instances=[instance([150, 50, 230, 130], 3)])
    results = LoadPersonSearchAnnotations(clip=False)(results)
    assert results["gt_bboxes"].tensor.tolist() == [[150, 50, 230, 130]]


def test_image_without_persons():
    results = LoadPersonSearchAnnotations()(dict(ori_shape=(100, 200), instances=[]))
    assert results["gt_bboxes"].tensor.shape == (0, 4)
    assert results["gt_instances_ids"].shape == (0,) and results["gt_instances_ids"].dtype == np.int64
