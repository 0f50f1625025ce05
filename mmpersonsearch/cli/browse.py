"""Draw scenes as the pipeline of a split passes them to the model, with persons, identities and queries.

Labelled persons have the number of their identity in the annotations, beside it in training the label that the model
learns, 0 to num_ids - 1. Unlabelled persons have a dashed box, regions to ignore a gray dotted one.

    mmpersonsearch browse tdn_r50ibn_prw --split train --out browse
"""

import os
from pathlib import Path

import numpy as np
import torch
from mmdet.structures import DetDataSample
from torch.utils.data import Dataset
from tqdm import tqdm

from mmpersonsearch.engine.hooks import scene_names
from mmpersonsearch.registry import DATASETS, VISUALIZERS
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import check_folder
from mmpersonsearch.visualization import PersonSearchLocalVisualizer

from .command_line import add_config, exit_on_bad_input, make_parser, positive
from .run_config import read_config_of


def load_scene(dataset: Dataset, index: int, split: str) -> tuple[np.ndarray, DetDataSample]:
    """Load one scene of a split through its pipeline: (h, w, 3) RGB, and a data sample with boxes in its pixels.

    Raises:
        InputError: The data set does not yield scenes.
    """
    item = dataset[index]
    sample = item.get("data_samples")
    if not isinstance(sample, DetDataSample):
        raise InputError(
            f"the {split} split gives {type(sample).__name__}, expected scenes (DetDataSample); "
            "crops for a teacher are image files that any viewer shows"
        )
    image = item["inputs"].permute(1, 2, 0).numpy()[..., ::-1]
    if split == "test":
        # The metric needs ground truth and queries in pixels of the original image.
        factors = torch.tensor(sample.get("scale_factor", (1.0, 1.0))).repeat(2)
        for name in {"gt_instances", "ignored_instances", "query_instances"} & set(sample.keys()):
            instances = sample.get(name)
            instances.bboxes = getattr(instances.bboxes, "tensor", instances.bboxes) * factors
    return image, sample


def draw_scenes(dataset: Dataset, split: str, visualizer: PersonSearchLocalVisualizer, out: Path, number: int) -> int:
    """Write pictures ``<index>_<image>.png`` of at most ``number`` scenes, and return how many.

    Where the images lie in several folders, these are part of the name.
    """
    number = min(number, len(dataset))
    chosen = np.linspace(0, len(dataset) - 1, number).round().astype(int).tolist()
    names = scene_names(dataset)
    for index in tqdm(chosen, desc=f"drawing {split}", unit="image"):
        image, sample = load_scene(dataset, index, split)
        name = names.get(sample.get("img_path"), "scene")
        name = f"{index:06d}_{os.path.splitext(name)[0].replace(os.sep, '_')}.png"
        visualizer.add_datasample(name, image, sample, draw_pred=False, out_file=str(out / name))
    return number


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("browse", __doc__)
    add_config(parser)
    parser.add_argument("--split", choices=["train", "test"], default="train", help="default: train")
    parser.add_argument("--out", required=True, type=Path, help="folder of the pictures")
    parser.add_argument(
        "--number",
        type=positive,
        default=50,
        help="number of scenes, evenly spaced over the split; default: %(default)s",
    )
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch browse"):
        check_folder(args.out)
        config = read_config_of(args)
        if not (loader := config.get(f"{args.split}_dataloader")):
            raise InputError(f"{config.filename} has no {args.split}_dataloader")
        dataset = DATASETS.build(loader.dataset)
        visualizer = VISUALIZERS.build({**config.visualizer, "name": "browse_dataset", "vis_backends": None})
        visualizer.dataset_meta = dataset.metainfo
        number = draw_scenes(dataset, args.split, visualizer, args.out, args.number)
    print(f"{number} scenes of the {args.split} split: {args.out}")
