"""What the metrics do alike with the results of single images."""

from __future__ import annotations

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.structures import SearchProtocol


def get_protocol(dataset_meta: dict | None) -> SearchProtocol:
    """The protocol of the test split.

    Raises:
        ValueError: There is none.
    """
    protocol = (dataset_meta or {}).get("search_protocol")
    if not isinstance(protocol, SearchProtocol):
        raise ValueError(
            "dataset_meta['search_protocol'] must be a SearchProtocol, "
            f"got {type(protocol).__name__}; is this a test split?"
        )
    return protocol


def get_field(instances: dict | InstanceData, name: str, where: str, img_id: str | int) -> Tensor:
    """A field of an image's instances, as a tensor on the CPU.

    Args:
        instances: What the model gave.
        name: The field, such as ``'bboxes'``.
        where: Name of the instances, for the message.
        img_id: The image, for the message.

    Raises:
        ValueError: The field is missing.
    """
    if name not in instances:
        raise ValueError(f"results of image {img_id!r}: {where} lacks {name}")
    return torch.as_tensor(instances[name] if isinstance(instances, dict) else instances.get(name)).detach().cpu()


def in_protocol_order(protocol: SearchProtocol, results: list[dict]) -> list[dict]:
    """One result for each of the protocol's images, in its order.

    Args:
        protocol: The protocol.
        results: With ``img_id``. Of several results of an image the first counts.

    Raises:
        ValueError: Images without a result, results of an image that is not in the protocol.
    """
    by_id = {}
    for result in results:
        by_id.setdefault(result["img_id"], result)
    strangers = [img_id for img_id in by_id if img_id not in protocol.image_index]
    if strangers:
        raise ValueError(f"results of images that are not in the protocol: {name_some(strangers)}")
    missing = [image.img_id for image in protocol.images if image.img_id not in by_id]
    if missing:
        raise ValueError(f"{len(missing)} of {len(protocol.images)} images have no result: {name_some(missing)}")
    return [by_id[image.img_id] for image in protocol.images]


def name_some(names: list) -> str:
    """The first five of some names and how many there are, for a message."""
    shown = ", ".join(str(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown}, ... ({len(names)} in all)"
