"""Compute the lookup table (LUT) of a trained model, for KD_reid: each identity's mean embedding on true boxes.

mmpersonsearch make-lut tdn_r50ibn_prw tdn.pth --out lut.pth
mmpersonsearch make-lut bot_r50ibn_prw bot.pth --data oim_r50_prw --out lut.pth

A student reads it by lut_checkpoint (LUT_CHECKPOINT). A row is the mean of the L2-normalized embeddings of an identity,
normalized again. Re-ID models embed crops of the scenes that --data trains on.

Rows of another width than --channels are projected to the singular vectors of the table's largest singular values (not
centered, so that the similarities of the rows change as little as they can), and normalized again. A table of fewer
dimensions or identities than --channels keeps all similarities, and zeros fill it up.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmdet.models.reid import BaseReID
from mmengine.config import Config
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.registry import init_default_scope
from PIL.Image import Image
from rich.progress import track
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmpersonsearch.apis import build_model
from mmpersonsearch.datasets import JointPersonSearchDataset, PersonSearchDataset
from mmpersonsearch.datasets.crops import cut_persons
from mmpersonsearch.evaluation.provenance import describe_model
from mmpersonsearch.models.detectors import PersonSearchModel
from mmpersonsearch.registry import DATASETS, TRANSFORMS
from mmpersonsearch.utils.checkpoint import save_checkpoint
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import check_out

from .command_line import add_config, add_device, exit_on_bad_input, make_parser, positive
from .run_config import read_config, read_config_of

SCENES = (PersonSearchDataset, JointPersonSearchDataset)


def build_training_split(config: Config, pipeline: list[dict]) -> BaseDataset:
    """Build the training split of a config with another pipeline.

    Raises:
        InputError: It is not of scenes with identities.
    """
    dataset = dict(config.train_dataloader.dataset)
    if isinstance(parts := dataset.get("datasets"), dict):  # of a joint data set
        dataset["datasets"] = {name: {**part, "pipeline": pipeline} for name, part in parts.items()}
    else:
        dataset["pipeline"] = pipeline
    built = DATASETS.build(dataset) if issubclass(DATASETS.get(dataset["type"]), SCENES) else None
    if built is None or not built.metainfo.get("identities"):
        raise InputError(
            f"{config.filename}: train_dataloader.dataset is a {dataset['type']}, expected scenes with identities; "
            "--data names a config that trains on them, such as oim_r50_prw"
        )
    return built


def list_test_steps(config: Config) -> list[dict]:
    """Return the steps of a config's test pipeline, of a joint test split those of its first data set."""
    dataset = config.test_dataloader.dataset
    if isinstance(dataset.get("datasets"), dict):
        dataset = next(iter(dataset.datasets.values()))
    return list(dataset.pipeline)


def with_annotations(steps: list[dict]) -> list[dict]:
    """Load boxes as in training in a test pipeline: they are clipped to the image, and then resized with it."""
    others = [step for step in steps[1:] if step["type"] != "LoadPersonSearchAnnotations"]
    return [steps[0], dict(type="LoadPersonSearchAnnotations"), *others]


@torch.no_grad()
def embed_scenes(model: nn.Module, dataset: BaseDataset, num_workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (n, D) L2-normalized embeddings and (n,) identities of each scene's labelled persons."""
    for batch in DataLoader(dataset, batch_size=1, num_workers=num_workers, collate_fn=pseudo_collate):
        found = model.data_preprocessor(batch)
        persons = found["data_samples"][0].gt_instances
        persons = persons[persons.person_ids >= 0]
        (feats,) = model.embed(found["inputs"], [persons.bboxes])
        yield feats.cpu(), persons.person_ids.cpu()


@torch.no_grad()
def embed_crops(model: nn.Module, dataset: BaseDataset, steps: list[dict]) -> Iterator[tuple[Tensor, Tensor]]:
    """Do the same by crops, as ``mmpersonsearch crop`` cuts them; the test ``steps`` resize them."""
    width, height = next(step["scale"] for step in steps if step["type"].endswith("Resize"))
    transforms = [TRANSFORMS.build(step) for step in steps[1:]]  # without that which reads a file
    for scene in (dataset.get_data_info(i) for i in range(len(dataset))):
        persons = [person for person in scene["instances"] if person["person_id"] >= 0]
        crops = zip(persons, cut_persons(scene["img_path"], persons, (height, width)))
        shown = [(person["person_id"], crop) for person, crop in crops if crop is not None]
        packed = [_pack(crop, scene["img_path"], transforms) for _, crop in shown]
        if packed:
            inputs = model.data_preprocessor(pseudo_collate(packed))["inputs"]
            feats = F.normalize(model(inputs, mode="tensor").float())
            yield feats.cpu(), torch.tensor([person_id for person_id, _ in shown])


def _pack(crop: Image, path: str, transforms: list[Any]) -> dict[str, Any]:
    image = np.array(crop)[:, :, ::-1]  # blue, green, red, as all readers of files here
    size = image.shape[:2]
    results = dict(img=image, img_path=path, img_shape=size, ori_shape=size, gt_label=np.array(0))
    for transform in transforms:
        results = transform(results)
    return results


def average(found: Iterable[tuple[Tensor, Tensor]], num_ids: int) -> Tensor:
    """Average the (n, D) embeddings of each of the identities, (n,).

    Returns:
        (num_ids, D) float64, L2-normalized; zeros for an identity of which no box lies in its image.
    """
    sums = None
    for feats, person_ids in found:
        sums = torch.zeros(num_ids, feats.shape[1], dtype=torch.float64) if sums is None else sums
        sums.index_add_(0, person_ids, feats.double())
    return F.normalize(sums)


def project(table: Tensor, channels: int) -> tuple[Tensor, float]:
    """Project a (K, D) table of unit rows to a width, as the module's description says.

    Returns:
        (K, channels) unit rows, and the fraction of the squared singular values that is kept, in (0, 1].
    """
    if table.shape[1] == channels:
        return table, 1.0
    _, values, directions = torch.linalg.svd(table, full_matrices=False)
    directions = directions[:channels]
    # A singular vector's sign is free: its largest number is positive.
    signs = directions.gather(1, directions.abs().argmax(1, keepdim=True)).sign()
    rows = table @ (directions * signs).T
    kept = values[:channels].square().sum() / values.square().sum()
    return F.pad(F.normalize(rows), (0, channels - rows.shape[1])), float(kept)


def make_lut(args: argparse.Namespace) -> dict[str, Any]:
    """Make the checkpoint.

    Raises:
        FileNotFoundError: A file is missing.
        InputError: The model embeds no persons, the checkpoint does not fit it, or there are no scenes to train on.
    """
    config = read_config_of(args)
    data = config if args.data is None else read_config(args.data)
    init_default_scope(config.get("default_scope", "mmpersonsearch"))
    model = build_model(config, args.checkpoint, args.device)
    steps = list_test_steps(config)
    if isinstance(model, PersonSearchModel):
        dataset = build_training_split(data, with_annotations(steps))
        found = embed_scenes(model, dataset, data.train_dataloader.get("num_workers", 0))
    elif isinstance(model, BaseReID):
        dataset = build_training_split(data, [])
        found = embed_crops(model, dataset, steps)
    else:
        raise InputError(f"{args.config}: model.type {type(model).__name__} embeds no persons, expected one that does")
    means = average(track(found, description="embedding", total=len(dataset)), dataset.metainfo["num_ids"])
    table, kept = project(means, args.channels)
    facts = dict(width=means.shape[1], kept=kept, data=args.data or args.config)
    print(
        f"LUT of {len(table)} identities, {int((table == 0).all(1).sum())} of them empty; embeddings of width "
        f"{means.shape[1]}, of which {args.channels} dimensions keep {100 * kept:.2f} %"
    )
    model_facts = describe_model(config.to_dict(), args.config, args.checkpoint)
    meta = dict(dataset_meta=dict(identities=list(dataset.metainfo["identities"])), model=model_facts, lut=facts)
    return dict(meta=meta, state_dict={"lut.features": table.float()})


def main(argv: list[str] | None = None) -> None:
    parser = make_parser("make-lut", __doc__)
    add_config(parser, "config of the model, file or name")
    parser.add_argument("checkpoint", help="file or URL")
    parser.add_argument(
        "--data", metavar="CONFIG", help="config whose training scenes are embedded; default: the model's"
    )
    parser.add_argument("--channels", type=positive, default=256, help="width of the student's embedding (%(default)s)")
    parser.add_argument("--out", required=True, metavar="LUT.pth", help="the checkpoint to write")
    add_device(parser)
    args = parser.parse_args(argv)
    with exit_on_bad_input("mmpersonsearch make-lut"):
        check_out(args.out, args.checkpoint, suffixes=(".pth",))
        checkpoint = make_lut(args)
    save_checkpoint(checkpoint, args.out)
    print(f"LUT: {args.out}")
