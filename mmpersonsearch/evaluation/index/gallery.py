"""Where each query is searched for, and where it is to be found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmpersonsearch.structures import CrossCamera, Listed, SearchProtocol
from mmpersonsearch.utils.errors import InputError

from .ragged import blocks_by_total, paired_iou, ragged_ranges
from .search_index import SearchIndex

# Detections compared with a true box at a time: about 200 bytes each.
_MAX_COMPARISONS = 2_000_000


@dataclass
class TruePairs:
    """All (query, gallery image that holds the query's person), sorted by query.

    Attributes:
        offsets: (Q + 1,) int64; query q has the pairs ``offsets[q] ... offsets[q + 1] - 1``.
        image_inds: (T,) int64 image of each pair.
        columns: (T,) int64 column at which the image's detections begin in the query's list of similarities.
        candidates: (C,) int64 detections that overlap the pair's true box enough, sorted by pair.
        candidate_offsets: (T + 1,) int64; pair t has the candidates ``[offsets[t], offsets[t + 1])``.
    """

    offsets: Tensor
    image_inds: Tensor
    columns: Tensor
    candidates: Tensor
    candidate_offsets: Tensor

    @property
    def counts(self) -> Tensor:
        """(Q,) number of gallery images that hold the query's person."""
        return self.offsets.diff()


class Gallery(ABC):
    """The galleries of all queries.

    Attributes:
        name: ``'all'``, ``'cross_camera'`` or the size.
        index: The detections.
        pairs: Where the queries' persons are.
    """

    name: str | int
    index: SearchIndex
    pairs: TruePairs

    @abstractmethod
    def arrange(self, similarities: Tensor, query_inds: Tensor) -> Tensor:
        """The similarities of each query's gallery, image after image in the gallery's order.

        Args:
            similarities: (R, N) of the queries to all detections.
            query_inds: (R,) the queries.

        Returns:
            (R, L) a new tensor, -inf where a column is not in the query's gallery.
        """

    @abstractmethod
    def image_lists(self, query_inds: Tensor) -> Tensor:
        """(R, G) int64 images of each query's gallery, in its order; -1 where there is none."""

    @abstractmethod
    def max_columns(self) -> int:
        """The most columns that ``arrange`` can give."""


class WholeGallery(Gallery):
    """Every image but the query's own; or of those, the images of other cameras."""

    def __init__(self, protocol: SearchProtocol, index: SearchIndex) -> None:
        self.name = protocol.galleries.name
        self.index = index
        self._cameras = _cameras(protocol) if isinstance(protocol.galleries, CrossCamera) else None
        query_inds, image_inds, bboxes = self._true_boxes(protocol)
        columns = index.offsets[torch.from_numpy(image_inds).to(index.offsets.device)]
        self.pairs = _true_pairs(index, query_inds, image_inds, bboxes, columns)

    def _true_boxes(self, protocol: SearchProtocol) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        counts = [len(image.person_ids) for image in protocol.images]
        image_inds = np.repeat(np.arange(len(counts)), counts)
        person_ids = np.concatenate([np.zeros(0, np.int64), *(image.person_ids for image in protocol.images)])
        bboxes = np.concatenate([np.zeros((0, 4)), *(image.bboxes for image in protocol.images)])
        # lexsort is stable: where an image lists a person twice, the first box stays first.
        order = np.lexsort((image_inds, person_ids))
        order = order[person_ids[order] >= 0]
        keys = np.stack([person_ids[order], image_inds[order]])
        first = np.ones(len(order), dtype=bool)
        first[1:] = (keys[:, 1:] != keys[:, :-1]).any(0)
        order = order[first]
        person_ids, image_inds, bboxes = person_ids[order], image_inds[order], bboxes[order]

        wanted = np.array([query.person_id for query in protocol.queries], dtype=np.int64)
        starts = np.searchsorted(person_ids, wanted, side="left")
        lengths = np.searchsorted(person_ids, wanted, side="right") - starts
        rows, query_inds = (t.numpy() for t in ragged_ranges(torch.from_numpy(starts), torch.from_numpy(lengths)))
        own_inds = self.index.query_image_inds.cpu().numpy()
        inside = image_inds[rows] != own_inds[query_inds]
        if self._cameras is not None:
            of_images, of_queries = self._cameras
            inside &= of_images[image_inds[rows]] != of_queries[query_inds]
        rows, query_inds = rows[inside], query_inds[inside]
        return query_inds, image_inds[rows], bboxes[rows]

    def arrange(self, similarities: Tensor, query_inds: Tensor) -> Tensor:
        """See :meth:`Gallery.arrange`; the columns are all detections, in the index's order."""
        index = self.index
        result = similarities.clone()
        own = index.query_image_inds[query_inds]
        columns, rows = ragged_ranges(index.offsets[own], index.counts[own])
        result[rows, columns] = -torch.inf
        if self._cameras is not None:
            of_images, of_queries = (torch.from_numpy(c).to(result.device) for c in self._cameras)
            same = of_images[index.image_inds] == of_queries[query_inds, None]
            result.masked_fill_(same, -torch.inf)
        return result

    def image_lists(self, query_inds: Tensor) -> Tensor:
        """See :meth:`Gallery.image_lists`."""
        index = self.index
        images = torch.arange(index.num_images, device=query_inds.device).repeat(len(query_inds), 1)
        outside = images == index.query_image_inds[query_inds, None]
        if self._cameras is not None:
            of_images, of_queries = (torch.from_numpy(c).to(images.device) for c in self._cameras)
            outside |= of_images == of_queries[query_inds, None]
        return images.masked_fill_(outside, -1)

    def max_columns(self) -> int:
        """See :meth:`Gallery.max_columns`."""
        return len(self.index.image_inds)


class ListedGallery(Gallery):
    """For each query a list of images of its own, as in CUHK-SYSU."""

    def __init__(self, protocol: SearchProtocol, index: SearchIndex, size: int) -> None:
        self.name = size
        self.index = index
        device = index.offsets.device
        lists = protocol.galleries.lists[size]
        lengths = np.array([len(one.image_inds) for one in lists], dtype=np.int64)
        offsets = np.concatenate([[0], lengths.cumsum()])
        image_inds = np.concatenate([np.zeros(0, np.int64), *(one.image_inds for one in lists)]).astype(np.int64)
        present = np.concatenate([np.zeros(0, np.int64), *(s + one.present for s, one in zip(offsets, lists))])
        bboxes = np.concatenate([np.zeros((0, 4)), *(one.bboxes for one in lists)])
        owners = np.repeat(np.arange(len(lists)), lengths)
        self._check(protocol, image_inds, owners, present, bboxes)

        self._offsets = torch.from_numpy(offsets).to(device)
        self._image_inds = torch.from_numpy(image_inds).to(device)
        counts = index.counts[self._image_inds]
        before = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        firsts, ends = before[self._offsets[:-1]], before[self._offsets[1:]]
        self._num_columns = ends - firsts
        # Column at which an entry's detections begin, counted from the query's first entry.
        columns = before[:-1] - torch.repeat_interleave(firsts, torch.from_numpy(lengths).to(device))
        columns = columns[torch.from_numpy(present).to(device)]
        self.pairs = _true_pairs(index, owners[present], image_inds[present], bboxes, columns)

    def _check(
        self,
        protocol: SearchProtocol,
        image_inds: np.ndarray,
        owners: np.ndarray,
        present: np.ndarray,
        bboxes: np.ndarray,
    ) -> None:
        where = f"gallery {self.name}, query"
        num_images = len(protocol.images)
        for i in np.flatnonzero((image_inds < 0) | (image_inds >= num_images))[:1]:
            raise InputError(f"{where} {owners[i]}: image index {image_inds[i]}, the protocol has {num_images} images")
        keys = np.sort(owners * num_images + image_inds)
        for key in keys[:-1][keys[1:] == keys[:-1]][:1]:
            name = protocol.images[key % num_images].img_id
            raise InputError(f"{where} {key // num_images}: image {name!r} is listed twice")
        for i in np.flatnonzero(~np.isfinite(bboxes).all(1))[:1]:
            name = protocol.images[image_inds[present[i]]].img_id
            raise InputError(
                f"{where} {owners[present[i]]}: true box {bboxes[i].tolist()} in image {name!r}, "
                "expected 4 finite numbers"
            )

    def _entries(self, query_inds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        starts = self._offsets[query_inds]
        lengths = self._offsets[query_inds + 1] - starts
        entries, rows = ragged_ranges(starts, lengths)
        return entries, rows, entries - starts[rows]

    def arrange(self, similarities: Tensor, query_inds: Tensor) -> Tensor:
        """See :meth:`Gallery.arrange`; the columns are the detections of the listed images, in the list's order."""
        entries, _, _ = self._entries(query_inds)
        image_inds = self._image_inds[entries]
        lengths = self._num_columns[query_inds]
        num, width = len(query_inds), int(lengths.max())
        # Millions of numbers: positions in the flattened tensors, since pairs of row and column cost twice as much.
        steps = torch.arange(num, device=lengths.device)
        sources, _ = ragged_ranges(self.index.offsets[image_inds], self.index.counts[image_inds])
        sources += torch.repeat_interleave(steps * similarities.shape[1], lengths)
        targets, _ = ragged_ranges(steps * width, lengths)
        result = similarities.new_full((num, width), -torch.inf)
        result.view(-1)[targets] = similarities.reshape(-1)[sources]
        return result

    def image_lists(self, query_inds: Tensor) -> Tensor:
        """See :meth:`Gallery.image_lists`."""
        entries, rows, columns = self._entries(query_inds)
        width = int(self._offsets.diff()[query_inds].max())
        result = entries.new_full((len(query_inds), width), -1)
        result[rows, columns] = self._image_inds[entries]
        return result

    def max_columns(self) -> int:
        """See :meth:`Gallery.max_columns`."""
        return int(self._num_columns.max())


def build_gallery(protocol: SearchProtocol, index: SearchIndex, size: int | None = None) -> Gallery:
    """Lay out the gallery of a size, or the protocol's only one where ``size`` is None.

    Raises:
        InputError: No such gallery, or several to choose from; the sizes are named. A query's person_id that is
            negative, an image without a camera in the cross-camera protocol, a malformed list of images.
    """
    for i, query in enumerate(protocol.queries):
        if query.person_id < 0:
            raise InputError(f"query {i} in image {query.img_id!r}: person_id must be >= 0, got {query.person_id}")
    galleries = protocol.galleries
    if not isinstance(galleries, Listed):
        if size not in (None, galleries.name):
            raise InputError(f"gallery must be None, the protocol has only {galleries.name!r}, got {size!r}")
        return WholeGallery(protocol, index)
    if size is None and len(galleries.sizes) == 1:
        (size,) = galleries.sizes
    if size not in galleries.sizes:
        raise InputError(f"gallery must be one of the protocol's sizes {list(galleries.sizes)}, got {size!r}")
    return ListedGallery(protocol, index, size)


def _cameras(protocol: SearchProtocol) -> tuple[np.ndarray, np.ndarray]:
    """Camera of each image and of each query, as numbers from 0."""
    of_images = [image.camera_id for image in protocol.images]
    for image, camera in zip(protocol.images, of_images):
        if camera is None:
            raise InputError(f"image {image.img_id!r} has no camera_id, which the 'cross_camera' protocol needs")
    of_queries = [
        of_images[protocol.image_index[query.img_id]] if query.camera_id is None else query.camera_id
        for query in protocol.queries
    ]
    _, numbers = np.unique(np.array([*of_images, *of_queries]), return_inverse=True)
    return numbers[: len(of_images)], numbers[len(of_images) :]


def _true_pairs(
    index: SearchIndex, query_inds: np.ndarray, image_inds: np.ndarray, bboxes: np.ndarray, columns: Tensor
) -> TruePairs:
    """Find the candidates of each pair: the detections that reach the IoU that the size of the true box asks for."""
    device = index.offsets.device
    sides = bboxes[:, 2:] - bboxes[:, :2]
    thresholds = np.minimum(0.5, sides.prod(1) / (sides + 10).prod(1))
    image_inds_t, bboxes_t, thresholds_t = (torch.from_numpy(a).to(device) for a in (image_inds, bboxes, thresholds))
    lengths = index.counts[image_inds_t]
    candidates, owners = [], []
    for block in blocks_by_total(lengths.cpu().numpy(), _MAX_COMPARISONS):
        dets, pairs = ragged_ranges(index.offsets[image_inds_t[block]], lengths[block])
        pairs += block.start
        found = paired_iou(index.bboxes[dets], bboxes_t[pairs]) >= thresholds_t[pairs]
        candidates.append(dets[found])
        owners.append(pairs[found])
    empty = torch.zeros(0, dtype=torch.int64, device=device)
    return TruePairs(
        offsets=_offsets(torch.from_numpy(query_inds).to(device), len(index.query_feats)),
        image_inds=image_inds_t,
        columns=columns,
        candidates=torch.cat([empty, *candidates]),
        candidate_offsets=_offsets(torch.cat([empty, *owners]), len(image_inds)),
    )


def _offsets(owners: Tensor, num: int) -> Tensor:
    result = torch.zeros(num + 1, dtype=torch.int64, device=owners.device)
    result[1:] = torch.bincount(owners, minlength=num).cumsum(0)
    return result
