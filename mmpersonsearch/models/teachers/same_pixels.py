"""Whether two models see images alike."""

import torch
from mmdet.structures import DetDataSample
from torch import nn

_SIZE = 32


def check_same_pixels(place: str, **data_preprocessors: nn.Module) -> None:
    """Send an image of random pixels through two data preprocessors and compare what comes out, padding apart.

    Args:
        place: Who needs this, for the message.
        data_preprocessors: Two, by their models' names.

    Raises:
        ValueError: They normalise images differently, or take their channels in another order.
    """
    image = torch.randint(256, (3, _SIZE, _SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    seen = {}
    for name, preprocessor in data_preprocessors.items():
        inputs = preprocessor(dict(inputs=[image], data_samples=[DetDataSample()]))["inputs"]
        seen[name] = inputs[0, :, :_SIZE, :_SIZE].cpu()
    (first, ours), (second, theirs) = seen.items()
    if not torch.allclose(ours, theirs, atol=1e-4):
        raise ValueError(
            f"{place}: {first}.data_preprocessor and {second}.data_preprocessor must normalise images alike (mean, "
            f"std, order of colours), but the pixel {image[:, 0, 0].tolist()} becomes {ours[:, 0, 0].tolist()} in "
            f"{first} and {theirs[:, 0, 0].tolist()} in {second}"
        )
