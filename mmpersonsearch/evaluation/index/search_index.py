"""Index of the search: the detections of all test images, and the queries, as flat tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.errors import InputError

from .ignored import ignored_in_search
from .ragged import offsets_of


@dataclass
class SlotLayout:
    """Layout of the detections in which the maxima over all images are a few element-wise maxima.

    Images are sorted by their number of detections, descending; slot j holds the j-th detection of each image that has
    one, so that it covers the first images.

    Attributes:
        feats: (N, D) embeddings, slot after slot.
        sizes: Number of detections in each slot, descending.
        positions: (S,) place of each image in the sorted order.
    """

    feats: Tensor
    sizes: list[int]
    positions: Tensor


@dataclass
class SearchIndex:
    """Detections with score >= det_thr of all S images, image after image, and the Q queries.

    Detections in regions to ignore are left out; see :func:`ignored_in_search`.

    Attributes:
        bboxes: (N, 4) float64 boxes, xyxy in pixels.
        scores: (N,) detection scores.
        feats: (N, D) embeddings.
        image_inds: (N,) int64 image of each detection.
        offsets: (S + 1,) int64; image i has the detections ``offsets[i] ... offsets[i + 1] - 1``.
        query_feats: (Q, D) embeddings of the queries.
        query_bboxes: (Q, 4) float64 boxes of the queries.
        query_image_inds: (Q,) int64 image of each query.
    """

    bboxes: Tensor
    scores: Tensor
    feats: Tensor
    image_inds: Tensor
    offsets: Tensor
    query_feats: Tensor
    query_bboxes: Tensor
    query_image_inds: Tensor

    @property
    def num_images(self) -> int:
        """S."""
        return len(self.offsets) - 1

    @property
    def counts(self) -> Tensor:
        """(S,) number of detections of each image."""
        return self.offsets.diff()

    def similarities(self, query_inds: Tensor) -> Tensor:
        """Return (R, N) dot products of R queries with all detections."""
        return self.query_feats[query_inds] @ self.feats.T

    @cached_property
    def slots(self) -> SlotLayout:
        """The detections in slots, computed when a ranking first needs them."""
        counts, order = self.counts.sort(descending=True, stable=True)
        depth = int(counts[0]) if len(counts) else 0
        # counts descend, so the number of images with more than j detections is a prefix length.
        sizes = torch.searchsorted(-counts, -torch.arange(depth, device=counts.device)).tolist()
        starts = self.offsets[:-1][order]
        rows = [starts[:size] + slot for slot, size in enumerate(sizes)]
        feats = self.feats[torch.cat(rows)] if rows else self.feats
        positions = torch.empty_like(order)
        positions[order] = torch.arange(len(order), device=order.device)
        return SlotLayout(feats, sizes, positions)

    def image_maxima(self, feats: Tensor) -> Tensor:
        """Compute the similarity of each given embedding to its most similar detection in each image.

        Args:
            feats: (R, D) embeddings; the caller bounds R, (R, N) numbers are held.

        Returns:
            (R, S) in the order of ``slots.positions``; -inf for images without detections.
        """
        sims = feats @ self.slots.feats.T
        best = sims.new_full((len(feats), self.num_images), -torch.inf)
        start = 0
        for size in self.slots.sizes:
            torch.maximum(best[:, :size], sims[:, start : start + size], out=best[:, :size])
            start += size
        return best


def build_search_index(
    protocol: SearchProtocol, detections: Sequence[InstanceData], query_feats: Tensor, det_thr: float
) -> SearchIndex:
    """Check detections and query embeddings and index them; see :func:`evaluate_search` for the arguments.

    Similarities are computed on the device of ``query_feats``, in float64 if an embedding is float64, else in float32.

    Raises:
        InputError: Wrong number of detections or query embeddings, a field that is missing or has the wrong shape,
            a number that is not finite; the image or query is named.
    """
    images = protocol.images
    query_feats = torch.as_tensor(query_feats)
    device = query_feats.device
    _check_fields(protocol, detections, query_feats)
    counts = np.array([len(d.scores) for d in detections], dtype=np.int64)
    image_inds = torch.from_numpy(np.repeat(np.arange(len(images)), counts)).to(device)
    bboxes = torch.cat([torch.zeros(0, 4), *(d.bboxes for d in detections)]).to(device, torch.float64)
    scores = torch.cat([torch.zeros(0), *(d.scores for d in detections)]).to(device)
    keep = scores >= det_thr
    # A sum over a row is finite only if the row is, and costs no mask of the embeddings' size.
    sums = [d.reid_feats.sum(1, dtype=torch.float64) for d in detections if len(d.scores)]
    sums = torch.cat(sums).to(device) if sums else scores
    _check_finite(protocol, query_feats, image_inds, reid_feats=sums, bboxes=bboxes.sum(1), scores=scores)

    keep &= ~ignored_in_search(bboxes, image_inds, images)
    if keep.all():
        feats = [d.reid_feats for d in detections if len(d.scores)]
    else:
        masks = keep.split(counts.tolist())
        feats = [d.reid_feats[m.to(d.reid_feats.device)] for d, m in zip(detections, masks) if len(m)]
    feats = torch.cat(feats) if feats else query_feats[:0]
    dtype = torch.float64 if torch.float64 in (feats.dtype, query_feats.dtype) else torch.float32
    feats, query_feats = feats.to(device, dtype), query_feats.to(dtype)
    _check_size(feats, query_feats)
    image_inds = image_inds[keep]
    query_images = [protocol.image_index[query.img_id] for query in protocol.queries]
    return SearchIndex(
        bboxes=bboxes[keep],
        scores=scores[keep],
        feats=feats,
        image_inds=image_inds,
        offsets=offsets_of(image_inds, len(images)),
        query_feats=query_feats,
        query_bboxes=torch.from_numpy(np.array([q.bbox for q in protocol.queries]).reshape(-1, 4)).to(device),
        query_image_inds=torch.tensor(query_images, dtype=torch.int64, device=device),
    )


def _check_fields(protocol: SearchProtocol, detections: Sequence[InstanceData], query_feats: Tensor) -> None:
    num_images, num_queries = len(protocol.images), len(protocol.queries)
    if query_feats.ndim != 2 or len(query_feats) != num_queries:
        raise InputError(
            f"query_feats: expected one row for each of the protocol's {num_queries} queries, (Q, D), "
            f"got shape {tuple(query_feats.shape)}"
        )
    if len(detections) != num_images:
        raise InputError(
            f"detections: expected one for each of the protocol's {num_images} images, got {len(detections)}"
        )
    width = query_feats.shape[1]
    for image, dets in zip(protocol.images, detections):
        if missing := [name for name in ("bboxes", "scores", "reid_feats") if name not in dets]:
            raise InputError(f"image {image.img_id!r}: detections lack {', '.join(missing)}")
        num = len(dets.scores)
        shapes = (tuple(dets.bboxes.shape), tuple(dets.scores.shape), tuple(dets.reid_feats.shape))
        if num and shapes != ((num, 4), (num,), (num, width)):
            raise InputError(
                f"image {image.img_id!r}: expected bboxes (n, 4), scores (n,) and reid_feats (n, {width}), "
                f"the width of query_feats, got {shapes[0]}, {shapes[1]} and {shapes[2]}"
            )


def _check_finite(protocol: SearchProtocol, query_feats: Tensor, image_inds: Tensor, **fields: Tensor) -> None:
    for i in torch.nonzero(~torch.isfinite(query_feats).all(1)).flatten().tolist():
        query = protocol.queries[i]
        raise InputError(f"query_feats: not finite for query {i} (person {query.person_id} in image {query.img_id!r})")
    for name, values in fields.items():
        bad = image_inds[~torch.isfinite(values)]
        if len(bad):
            raise InputError(
                f"detections: {name} not finite in {len(bad.unique())} image(s); "
                f"the first is image {protocol.images[int(bad[0])].img_id!r}"
            )


def _check_size(feats: Tensor, query_feats: Tensor) -> None:
    norms = [torch.linalg.vector_norm(f, dim=1).max() for f in (feats, query_feats) if len(f)]
    largest = float(norms[0]) * float(norms[-1]) if len(norms) == 2 else 0.0
    if not largest < torch.finfo(feats.dtype).max:
        raise InputError(
            f"embeddings are too large: their products, up to {largest:.3g}, overflow {feats.dtype}; "
            "they should be L2-normalised"
        )
