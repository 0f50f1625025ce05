"""PoseTrack21: the form that its page publishes, through converter and data set to an evaluation."""

import copy
import json
from collections import defaultdict

import numpy as np
import pytest
import torch
from dataset_writers import write_image
from mmengine.config import Config
from mmengine.structures import InstanceData
from tiny_models import CONFIGS

from mmpersonsearch.cli import to_coco
from mmpersonsearch.cli.run_config import fill_num_ids
from mmpersonsearch.datasets.readers.posetrack21_json import read_posetrack21
from mmpersonsearch.registry import DATASETS, METRICS
from mmpersonsearch.structures import AllImages
from mmpersonsearch.utils.errors import InputError

CATEGORIES = [dict(supercategory="person", id=1, name="person", keypoints=["nose"], skeleton=[[1, 1]])]
LEAVES = ("oim/oim_r50_posetrack21.py", "tdn/tdn_r50ibn_posetrack21_wo-teacher.py")
# By frame of each video, (person or None without an identity, x, y, w, h) of the annotated persons.
TRAIN = {
    "000001_bonn_train": [[(31, 10, 20, 30, 70), (None, 60, 10, 25, 60)], [], [(31, 14, 20, 30, 70)]],
    "002834_mpii_train": [[(7, 40.5, 22, 30.25, 70)], [(900, 130, 25, 26, 64), (7, 44, 22, 30, 70)]],
}
VAL = {
    "000342_mpii_test": [[(31, 12, 16, 30, 72), (40, 70, 20, 28, 64)], [(31, 15, 18, 30, 72)], []],
    "024621_mpii_test": [[(52, 20, 20, 40, 80)], [(52, 30, 20, 40, 80), (31, 100, 20, 30, 72)]],
}
QUERIES = {"000342_mpii_test": {0: [(31, 12, 16, 30, 72)]}, "024621_mpii_test": {1: [(52, 30, 20, 40, 80)]}}
# A triangle, and a line that encloses nothing.
REGIONS = ([[5, 45, 20], [1, 9]], [[90, 95, 115], [2, 2]])


def posetrack(videos, split):
    """A json's content: images of two videos, whose first frames have regions to ignore."""
    images, annotations = [], []
    for video, frames in videos.items():
        for i, persons in frames.items() if isinstance(frames, dict) else enumerate(frames):
            image_id = 10**10 + int(video[:6]) * 10000 + i
            xs, ys = REGIONS if i == 0 else ([], [])
            image = dict(file_name=f"images/{split}/{video}/{i:06}.jpg", id=image_id, frame_id=image_id)
            image |= dict(vid_id=video[:6], nframes=len(frames), is_labeled=i == 0, has_labeled_person=bool(persons))
            images.append(image | dict(ignore_regions_x=xs, ignore_regions_y=ys))
            for k, (person, *bbox) in enumerate(persons):
                own = dict(bbox=bbox, bbox_head=bbox, category_id=1, image_id=image_id, id=image_id * 100 + k)
                own |= dict(keypoints=[], track_id=k) | ({} if person is None else dict(person_id=person))
                annotations.append(own)
    return dict(images=images, annotations=annotations, categories=CATEGORIES)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes jsons and images, and gives the folder."""
    monkeypatch.setenv("POSETRACK21_ROOT", str(tmp_path))

    def write(**changed):
        contents = dict(train=posetrack(TRAIN, "train"), val=posetrack(VAL, "val"), query=posetrack(QUERIES, "val"))
        for name, content in (contents | changed).items():
            path = tmp_path / f"posetrack_person_search/{name}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(content))
            for image in content["images"]:
                write_image(tmp_path / image["file_name"])
        return tmp_path

    return write


def convert(root, *splits):
    for split in splits:
        to_coco.main(
            ["--dataset", "PoseTrack21", "--data-root", str(root), "--split", split, "--out", str(root / "coco")]
        )


@pytest.mark.parametrize("leaf", LEAVES)
def test_training_split_of_the_configs(leaf, write, capsys):
    convert(root := write(), "train")
    assert "1 images without an annotated person are left out" in capsys.readouterr().out
    config = Config.fromfile(CONFIGS / leaf)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    entries = [dataset.get_data_info(i) for i in range(len(dataset))]
    paths = [str(root / f"images/train/000001_bonn_train/{frame}.jpg") for frame in ("000000", "000002")]
    assert [entry["img_path"] for entry in entries[:2]] == paths and len(entries) == 4
    instances = [[(i["person_id"], i["ignore_flag"]) for i in entry["instances"]] for entry in entries]
    assert instances == [[(1, 0), (-1, 0), (-1, 1)], [(1, 0)], [(0, 0), (-1, 1)], [(2, 0), (0, 0)]]
    assert dataset.metainfo["identities"] == [7, 31, 900]
    assert entries[0]["instances"][2]["bbox"] == [5, 90, 45, 115]
    assert entries[2]["instances"][0]["bbox"] == [40.5, 22, 70.75, 92]
    dataset[0]  # through the pipeline
    fill_num_ids(config)
    assert config.model.roi_head.reid_head.num_ids == 3


def test_a_perfect_embedding_finds_everyone(write):
    convert(write(), "test")
    config = Config.fromfile(CONFIGS / LEAVES[1])
    dataset = DATASETS.build({**config.test_dataloader.dataset, "pipeline": []})
    protocol = dataset.metainfo["search_protocol"]
    assert len(protocol.images) == 4 and protocol.galleries == AllImages()
    region = [[5, 90, 45, 115]]
    assert [image.ignored_bboxes.tolist() for image in protocol.images] == [region, [], region, []]
    assert [(query.person_id, query.bbox.tolist()) for query in protocol.queries] == [
        (31, [12, 16, 42, 88]),
        (52, [30, 20, 70, 100]),
    ]
    numbers = defaultdict(lambda: len(numbers))
    metric = METRICS.build(config.test_evaluator)
    metric.dataset_meta = dataset.metainfo
    for image in protocol.images:
        # What is found in a region to ignore is not wrong.
        bboxes = np.concatenate([image.bboxes, image.ignored_bboxes])
        rows = [numbers[i] for i in (*image.person_ids.tolist(), *["nobody"] * len(image.ignored_bboxes))]
        own = [i for i, query in enumerate(protocol.queries) if query.img_id == image.img_id]
        query_rows = [numbers[protocol.queries[i].person_id] for i in own]
        queries = dict(query_ids=torch.tensor(own), reid_feats=torch.eye(9)[query_rows])
        found = InstanceData(bboxes=torch.tensor(bboxes), scores=torch.ones(len(bboxes)), reid_feats=torch.eye(9)[rows])
        sample = dict(img_id=image.img_id, pred_instances=found, query_instances=queries if own else None)
        metric.process({}, [{key: value for key, value in sample.items() if value is not None}])
    metrics = metric.evaluate(len(protocol.images))
    for key in (
        "person_search/mAP",
        "person_search/top-1",
        "person_search/rcp/mAP",
        "detection/ap",
        "detection/recall",
    ):
        assert metrics[key] == 1, key


def test_images_of_queries_outside_the_gallery_are_added(write, capsys):
    query = posetrack({"024621_mpii_test": {7: [(31, 5, 6, 30, 80)]}}, "val")
    query["images"][0] |= dict(ignore_regions_x=[[40, 60, 60]], ignore_regions_y=[[10, 10, 50]])
    convert(root := write(query=query), "test")
    assert "1 images of queries are not in val.json" in capsys.readouterr().out
    content = json.loads((root / "coco/test.json").read_text())
    assert content["images"][-1]["file_name"] == "images/val/024621_mpii_test/000007.jpg"
    person, region = content["annotations"][-2:]
    assert content["images"][-1]["width"] == 160 and person["person_id"] == 31
    assert region["iscrowd"] == 1 and region["bbox"] == [40, 10, 20, 40]  # the image's own
    (query,) = json.loads((root / "coco/test_queries.json").read_text())["queries"]
    assert query == dict(image_id=content["images"][-1]["id"], bbox=[5, 6, 30, 80], person_id=31)


def changed(key, index, **values):
    content = copy.deepcopy(posetrack(VAL, "val"))
    content[key][index] |= values
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            changed("images", 1, ignore_regions_x=[[1, 2, 3]]),
            r"images\[1\]: ignore_regions_x and .* \[3\] and \[\]",
        ),
        (
            changed("images", 3, ignore_regions_y=[["a", 1, 2]]),
            r"images\[3\]: ignore_regions_y is \[\['a', 1, 2",
        ),
        (changed("images", 0, ignore_regions_x=[[1, 10**400, 3]]), r"images\[0\]: ignore_regions_x is \[\[1, 10"),
        (changed("images", 0, ignore_regions_x="no"), r"images\[0\]: ignore_regions_x is 'no', expected lists"),
        (changed("annotations", 2, bbox=[1, 2, 3]), r"annotations\[2\]: bbox \[1, 2, 3\], expected"),
        (changed("annotations", 0, person_id="x"), r"annotations\[0\]: person_id 'x'"),
    ],
)
def test_a_wrong_record_is_named(write, content, message):
    with pytest.raises(SystemExit, match=rf"val\.json, {message}"):
        convert(write(val=content), "test")


def test_what_is_missing_or_no_query_is_named(write, tmp_path):
    with pytest.raises(SystemExit, match=r"posetrack_person_search/train\.json does not exist"):
        convert(tmp_path, "train")
    root = write(query=posetrack({"000342_mpii_test": {0: [(None, 12, 16, 30, 72)]}}, "val"))
    with pytest.raises(
        SystemExit, match=r"query\.json: a query in images/val/000342_mpii_test/000000\.jpg has person_id -1"
    ):
        convert(root, "test")
    (root / "images/train/000001_bonn_train/000002.jpg").unlink()
    with pytest.raises(SystemExit, match=r"000001_bonn_train/000002\.jpg"):
        convert(root, "train")


def test_a_single_polygon_may_lack_the_outer_list(write):
    def read(**image):
        return read_posetrack21(write(val=changed("images", 1, **image)) / "posetrack_person_search/val.json")

    image = dict(ignore_regions_x=[5, 45, 20], ignore_regions_y=[90, 95, 115])
    assert read(**image)[1].ignored_bboxes.tolist() == [[5, 90, 45, 115]]
    with pytest.raises(InputError, match=r"images\[1\]: ignore_regions_x"):
        read(**image | dict(ignore_regions_x=[5, [4], 3]))


def test_regions_of_annotations_join_those_of_polygons(write):
    content = changed("images", 1, ignore_regions_x=[5, 45, 20], ignore_regions_y=[90, 95, 115])
    crowd = dict(image_id=content["images"][1]["id"], bbox=[1, 2, 30, 40], iscrowd=1, category_id=1)
    content["annotations"].append(crowd)
    scene = read_posetrack21(write(val=content) / "posetrack_person_search/val.json")[1]
    assert scene.ignored_bboxes.tolist() == [[1, 2, 31, 42], [5, 90, 45, 115]] and len(scene.bboxes) == 1
