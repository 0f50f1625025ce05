"""Writes a split of PRW or CUHK-SYSU in COCO's form, as CocoPersonSearchDataset reads it.

Writes ``<out>/<split>.json`` and, of the test split, ``<out>/<split>_queries.json``. Boxes are those that the data
set's own reader gives, identities the data set's own numbers, -1 for unlabelled persons.

    mmpersonsearch to-coco --dataset PRW --data-root data/PRW --split test --out data/PRW_coco
"""

import argparse
import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools.coco import COCO
from tqdm import tqdm

from mmpersonsearch.datasets import PersonSearchDataset
from mmpersonsearch.structures import Query, SceneImage
from mmpersonsearch.utils.files import write_whole

from .command_line import exit_on_bad_input
from .scene_datasets import add_dataset_arguments, build_dataset

CATEGORY = dict(id=1, name="person", supercategory="person")
LOSS = (
    "CUHK-SYSU loses its protocol: there each query has a gallery list of its own, here, as in PRW, every query's "
    "gallery is all test images but its own. Figures on the two are not comparable."
)


def annotations_json(dataset: PersonSearchDataset, scenes: list[SceneImage]) -> dict:
    """Content of the annotations' json; images are numbered from 1 in the order of the scenes."""
    images, annotations = [], []
    for i, scene in enumerate(tqdm(scenes, desc="reading image sizes", unit="image"), start=1):
        path = Path(dataset.img_path(scene.img_id))
        with Image.open(path) as image:
            width, height = image.size
        camera = {} if scene.camera_id is None else dict(camera_id=scene.camera_id)
        images.append(dict(id=i, file_name=path.name, width=width, height=height, **camera))
        for bbox, person_id in zip(_to_xywh(scene.bboxes), scene.person_ids.tolist()):
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=i,
                    category_id=CATEGORY["id"],
                    bbox=bbox,
                    area=bbox[2] * bbox[3],
                    iscrowd=0,
                    person_id=person_id,
                    **camera,
                )
            )
    return dict(images=images, annotations=annotations, categories=[CATEGORY])


def queries_json(scenes: list[SceneImage], queries: list[Query]) -> dict:
    """Content of the queries' json."""
    number = {scene.img_id: i for i, scene in enumerate(scenes, start=1)}
    return dict(
        queries=[
            dict(image_id=number[q.img_id], bbox=_to_xywh(q.bbox[None])[0], person_id=q.person_id) for q in queries
        ]
    )


def check_index(path: Path, content: dict) -> None:
    """Check that pycocotools reads every image and annotation of a file as it was written.

    Args:
        path: The file of annotations.
        content: What was written into it.

    Raises:
        ValueError: An image or annotation is missing or differs; the message names the first.
    """
    with redirect_stdout(io.StringIO()):  # it prints its progress
        index = COCO(str(path))
    for name, entries, found in (
        ("images", content["images"], index.imgs),
        ("annotations", content["annotations"], index.anns),
    ):
        for i, entry in enumerate(entries):
            if found.get(entry["id"]) != entry:
                raise ValueError(
                    f"{path}, {name}[{i}]: pycocotools reads {found.get(entry['id'])} under id {entry['id']}, "
                    f"expected {entry}"
                )


def _to_xywh(bboxes: np.ndarray) -> list[list[float]]:
    return np.concatenate([bboxes[:, :2], bboxes[:, 2:] - bboxes[:, :2]], axis=1).tolist()


def _write(path: Path, content: dict) -> None:
    write_whole(path, json.dumps(content).encode())
    print(f"wrote {path}")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="mmpersonsearch to-coco", description=f"{__doc__.split(chr(10) * 2)[0]} {LOSS}"
    )
    add_dataset_arguments(parser, ("PRW", "CUHK-SYSU"))
    parser.add_argument("--out", required=True, type=Path, help="folder of the json files")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if args.dataset == "CUHK-SYSU" and args.split == "test":
        print(LOSS)
    with exit_on_bad_input("mmpersonsearch to-coco"):
        dataset = build_dataset(args)
        scenes = dataset.load_scenes()
        annotations = annotations_json(dataset, scenes)
        path = args.out / f"{args.split}.json"
        _write(path, annotations)
        check_index(path, annotations)
        if args.split == "test":
            _write(args.out / f"{args.split}_queries.json", queries_json(scenes, dataset.load_queries()))
