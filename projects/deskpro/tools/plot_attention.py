"""Plot the attention of body streams over persons, and their refined feature maps (the paper's figure 3).

python projects/deskpro/tools/plot_attention.py projects/deskpro/configs/deskpro_osnet_prcc.py \\
    work_dirs/csa/epoch_140.pth work_dirs/deskpro_osnet_prcc/epoch_140.pth --out figures/attention

One row a person; for each checkpoint a map of the attention, from 0 to 1, and one of the refined features' lengths,
each relative to its largest. The config's body stream has CSA. Writes PNG, SVG, and the mean attentions as JSON.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn

from mmpersonsearch.apis import build_model
from mmpersonsearch.cli.command_line import (
    add_config,
    add_device,
    add_figure,
    check_figure,
    count,
    exit_on_bad_input,
    save_figure,
)
from mmpersonsearch.cli.run_config import read_config_of
from mmpersonsearch.registry import DATASETS
from mmpersonsearch.utils.errors import InputError


@torch.no_grad()
def map_attention(model: nn.Module, batch: dict) -> tuple[Tensor, Tensor]:
    """Map the attention of persons and the lengths of their refined features, in [0, 1], in the pictures' size.

    Returns:
        Two (N, H, W).

    Raises:
        InputError: The model has no body stream with CSA.
    """
    backbone = getattr(getattr(model, "body", None), "backbone", None)
    if not hasattr(backbone, "attend"):
        raise InputError("the config's body stream has no CSA, expected an AttentiveOSNet as model.body.backbone")
    images = model.data_preprocessor(batch)["inputs"]["body"]
    refined, attention = backbone.attend(images)
    lengths = refined.norm(dim=1, keepdim=True)
    lengths = lengths / lengths.amax((2, 3), keepdim=True).clamp(min=torch.finfo(lengths.dtype).eps)
    both = torch.cat([attention, lengths], dim=1)
    return F.interpolate(both, size=images.shape[2:], mode="bilinear", align_corners=False).cpu().unbind(1)


def plot(pictures: np.ndarray, maps: Sequence[tuple[Tensor, Tensor]], titles: Sequence[str]) -> Figure:
    """Plot (N, H, W, 3) RGB pictures, one a row, each followed by the pairs of maps of :func:`map_attention`.

    Args:
        pictures: uint8.
        maps: Of each checkpoint.
        titles: Of each checkpoint.
    """
    number, height, width = pictures.shape[:3]
    columns = 1 + 2 * len(maps)
    figure = Figure(figsize=(1.2 * columns, 1.2 * height / width * number + 0.6), layout="constrained")
    cells = figure.subplots(number, columns, squeeze=False)
    for row, picture in zip(cells, pictures):
        for axes in row:
            axes.imshow(picture)
            axes.set_axis_off()
    for i, (both, title) in enumerate(zip(maps, titles, strict=True)):
        for j, (one, what) in enumerate(zip(both, ("attention", "refined features"))):
            cells[0, 1 + 2 * i + j].set_title(f"{title}\n{what}", fontsize=6)
            for row, values in zip(cells, one):
                row[1 + 2 * i + j].imshow(values, cmap="jet", vmin=0, vmax=1, alpha=0.5)
    return figure


def main(argv: list[str] | None = None) -> None:
    """Write the figure that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config(parser)
    parser.add_argument("checkpoints", nargs="+", help="trained models, or exported ones")
    parser.add_argument("--number", type=count, default=4, help="of persons, evenly from the test split")
    add_figure(parser)
    add_device(parser)
    args = parser.parse_args(argv)
    with exit_on_bad_input("plot_attention.py"):
        check_figure(args.out, *args.checkpoints)
        config = read_config_of(args)
        config.model.face = None  # pictures of the body alone
        config.model.teacher = config.model.loss_distill = None
        dataset = DATASETS.build(dict(config.test_dataloader.dataset, streams=("body",)))
        chosen = np.linspace(0, len(dataset) - 1, min(args.number, len(dataset))).round().astype(int)
        batch = pseudo_collate([dataset[i] for i in chosen])
        models = [build_model(config, path, args.device) for path in args.checkpoints]
        maps = [map_attention(model, batch) for model in models]
        pictures = torch.stack(batch["inputs"]["body"]).permute(0, 2, 3, 1).numpy()[..., ::-1]
        figure = plot(pictures, maps, [Path(path).parent.name or Path(path).stem for path in args.checkpoints])
        names = [sample.img_path for sample in batch["data_samples"]]
        means = {path: one.mean((1, 2)).tolist() for path, (one, _) in zip(args.checkpoints, maps)}
        save_figure(figure, dict(images=names, mean_attention=means), args.out)


if __name__ == "__main__":
    main()
