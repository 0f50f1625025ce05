"""Galleries of the queries: the images that are searched and the true boxes in them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from mmpersonsearch.structures import CrossCamera, Listed, SearchProtocol
from mmpersonsearch.utils.errors import InputError

from .ragged import places_in_segments, ragged_ranges
from .search_index import SearchIndex
from .true_pairs import TruePairs, make_true_pairs

# One in so many of the detections are few: a gallery of fewer is arranged whole, and of another as many are selected.
_FEW = 8


class Searched(ABC):
    """What true positives are matched in: detections in the order of each query's gallery.

    Attributes:
        pairs: The gallery images that show the queries' persons.
    """

    pairs: TruePairs

    @abstractmethod
    def arrange(self, similarities: Tensor, query_inds: Tensor) -> Tensor:
        """Arrange similarities (R, N) of R queries to all detections image after image in the gallery's order.

        Returns:
            (R, L) a new tensor, -inf where a column is not in the query's gallery.
        """

    def select(self, similarities: Tensor, query_inds: Tensor, least: Tensor) -> Tensor:
        """Select what may rank before true positives: as :meth:`arrange`, but in any order and with others missing.

        Args:
            similarities: (R, N) of R queries.
            query_inds: (R,) the queries.
            least: (R,) similarities from which on all have to be there.
        """
        return self.arrange(similarities, query_inds)


class Gallery(Searched):
    """Galleries of all queries, which are searched in the same detections.

    Attributes:
        name: ``'all'``, ``'cross_camera'`` or the size.
        index: The detections.
        max_columns: The largest L of :meth:`arrange`.
    """

    name: str | int
    index: SearchIndex
    max_columns: int

    @abstractmethod
    def image_lists(self, query_inds: Tensor) -> Tensor:
        """Return (R, G) int64 images of each query's gallery, in its order, padded with -1."""

    def select(self, similarities: Tensor, query_inds: Tensor, least: Tensor) -> Tensor:
        """See :meth:`Searched.select`; of most queries, few detections are more similar than the true positives."""
        num, width = similarities.shape
        if self.max_columns * _FEW < width:
            return self.arrange(similarities, query_inds)
        similar = similarities >= least[:, None]
        if int(similar.sum()) * _FEW > similar.numel():
            return self.arrange(similarities, query_inds)
        positions = torch.nonzero(similar.reshape(-1)).squeeze(1)
        rows = torch.div(positions, width, rounding_mode="floor")
        images = self.image_lists(query_inds)
        held = images.new_zeros((num, self.index.num_images + 1), dtype=torch.bool)
        held.scatter_(1, images + 1, True)  # the first column is the padding's
        inside = held[rows, self.index.image_inds[positions - rows * width] + 1]
        rows, values = rows[inside], similarities.reshape(-1)[positions[inside]]
        places, counts = places_in_segments(rows, num)
        selected = similarities.new_full((num, max(1, int(counts.max()))), -torch.inf)
        selected[rows, places] = values
        return selected


class WholeGallery(Gallery):
    """Galleries of all images but the query's own, or of those of other cameras."""

    def __init__(self, protocol: SearchProtocol, index: SearchIndex) -> None:
        self.name, self.index, self.max_columns = protocol.galleries.name, index, len(index.image_inds)
        device = index.offsets.device
        self._cameras = _cameras(protocol, device) if isinstance(protocol.galleries, CrossCamera) else None
        query_inds, image_inds, bboxes = (torch.from_numpy(a).to(device) for a in _true_boxes(protocol))
        inside = ~self._is_outside(image_inds, query_inds)
        query_inds, image_inds, bboxes = query_inds[inside], image_inds[inside], bboxes[inside]
        self.pairs = make_true_pairs(index, query_inds, image_inds, bboxes, columns=index.offsets[image_inds])

    def _is_outside(self, image_inds: Tensor, query_inds: Tensor) -> Tensor:
        outside = image_inds == self.index.query_image_inds[query_inds]
        if self._cameras is not None:
            of_images, of_queries = self._cameras
            outside |= of_images[image_inds] == of_queries[query_inds]
        return outside

    def arrange(self, similarities: Tensor, query_inds: Tensor) -> Tensor:
        """See :meth:`Gallery.arrange`; the columns are all detections, in the index's order."""
        index = self.index
        if self._cameras is not None:
            return similarities.masked_fill(self._is_outside(index.image_inds, query_inds[:, None]), -torch.inf)
        result = similarities.clone()
        own = index.query_image_inds[query_inds]
        columns, rows = ragged_ranges(index.offsets[own], index.counts[own])
        result[rows, columns] = -torch.inf
        return result

    def image_lists(self, query_inds: Tensor) -> Tensor:
        """See :meth:`Gallery.image_lists`."""
        images = torch.arange(self.index.num_images, device=query_inds.device)
        return images.expand(len(query_inds), -1).masked_fill(self._is_outside(images, query_inds[:, None]), -1)


class ListedGallery(Gallery):
    """Galleries that are lists of images of each query's own, as in CUHK-SYSU."""

    def __init__(self, protocol: SearchProtocol, index: SearchIndex, size: int) -> None:
        self.name, self.index = size, index
        device = index.offsets.device
        lists = protocol.galleries.lists[size]
        lengths = np.array([len(one.image_inds) for one in lists], dtype=np.int64)
        offsets = np.concatenate([[0], lengths.cumsum()])
        image_inds = _concatenate((one.image_inds for one in lists), ()).astype(np.int64)
        present = _concatenate((start + one.present for start, one in zip(offsets, lists)), ())
        bboxes = _concatenate((one.bboxes for one in lists), (4,), np.float64)
        owners = np.repeat(np.arange(len(lists)), lengths)
        self._check(protocol, image_inds, owners, present, bboxes)

        arrays = (torch.from_numpy(a).to(device) for a in (offsets, image_inds, present, owners, bboxes))
        self._offsets, self._image_inds, present, owners, bboxes = arrays
        counts = index.counts[self._image_inds]
        before = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        firsts, ends = before[self._offsets[:-1]], before[self._offsets[1:]]
        self._num_columns = ends - firsts
        self.max_columns = int(self._num_columns.max()) if lists else 0
        # Column at which an image's detections begin, counted from the query's first image.
        columns = before[present] - firsts[owners[present]]
        self.pairs = make_true_pairs(index, owners[present], self._image_inds[present], bboxes, columns)

    def _check(
        self, protocol: SearchProtocol, images: np.ndarray, owners: np.ndarray, present: np.ndarray, bboxes: np.ndarray
    ) -> None:
        where = f"gallery {self.name}, query"
        num_images = len(protocol.images)
        for i in np.flatnonzero((images < 0) | (images >= num_images))[:1]:
            raise InputError(f"{where} {owners[i]}: image index {images[i]}, the protocol has {num_images} images")
        keys = np.sort(owners * num_images + images)
        for key in keys[:-1][keys[1:] == keys[:-1]][:1]:
            name = protocol.images[key % num_images].img_id
            raise InputError(f"{where} {key // num_images}: image {name!r} is listed twice")
        for i in np.flatnonzero(~np.isfinite(bboxes).all(1))[:1]:
            name, box = protocol.images[images[present[i]]].img_id, bboxes[i].tolist()
            raise InputError(f"{where} {owners[present[i]]}: true box {box} in image {name!r}, expected finite numbers")

    def _entries(self, query_inds: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        starts = self._offsets[query_inds]
        lengths = self._offsets[query_inds + 1] - starts
        entries, rows = ragged_ranges(starts, lengths)
        return entries, rows, entries - starts[rows]

    def arrange(self, similarities: Tensor, query_inds: Tensor) -> Tensor:
        """See :meth:`Gallery.arrange`; the columns are the detections of the list's images."""
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


def build_gallery(protocol: SearchProtocol, index: SearchIndex, size: int | None = None) -> Gallery:
    """Build the gallery of a size, or the protocol's only one where ``size`` is None.

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


def _concatenate(arrays: Iterable[np.ndarray], shape: tuple[int, ...], dtype: type = np.int64) -> np.ndarray:
    """Concatenate arrays (n, *shape), of which there may be none."""
    return np.concatenate([np.zeros((0, *shape), dtype), *arrays])


def _cameras(protocol: SearchProtocol, device: torch.device) -> tuple[Tensor, Tensor]:
    """Camera of each image and of each query, as integers from 0."""
    of_images = [image.camera_id for image in protocol.images]
    if None in of_images:
        image = protocol.images[of_images.index(None)]
        raise InputError(f"image {image.img_id!r} has no camera_id, which the 'cross_camera' protocol needs")
    of_queries = [
        of_images[protocol.image_index[query.img_id]] if query.camera_id is None else query.camera_id
        for query in protocol.queries
    ]
    _, numbers = np.unique(np.array([*of_images, *of_queries]), return_inverse=True)
    return torch.from_numpy(numbers).to(device).tensor_split([len(of_images)])


def _true_boxes(protocol: SearchProtocol) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Query, image and box of each image that shows a query's person, in or out of its gallery, sorted by query."""
    num_images = len(protocol.images)
    image_inds = np.repeat(np.arange(num_images), [len(image.person_ids) for image in protocol.images])
    person_ids = _concatenate((image.person_ids for image in protocol.images), ())
    labelled = np.flatnonzero(person_ids >= 0)
    # Where an image lists a person twice, the first box counts.
    keys, first = np.unique(person_ids[labelled] * num_images + image_inds[labelled], return_index=True)
    bboxes = _concatenate((image.bboxes for image in protocol.images), (4,), np.float64)[labelled[first]]
    wanted = np.array([query.person_id for query in protocol.queries], dtype=np.int64)
    starts = np.searchsorted(keys, wanted * num_images)
    lengths = np.searchsorted(keys, (wanted + 1) * num_images) - starts
    rows, query_inds = (t.numpy() for t in ragged_ranges(torch.from_numpy(starts), torch.from_numpy(lengths)))
    return query_inds, keys[rows] % num_images, bboxes[rows]
