"""Results of search by pairs, and the galleries in which they are matched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.errors import InputError

from .gallery import Gallery, Searched, build_gallery
from .ignored import ignored_in_search
from .ragged import offsets_of, ragged_ranges
from .search_index import build_search_index
from .true_pairs import TruePairs, find_candidates


@dataclass
class QueryResults:
    """What a query-guided model found for one query in the images that it was paired with, image after image.

    Attributes:
        image_inds: (G,) int64 the images, indices among the protocol's, each once.
        counts: (G,) int64 number of detections in each.
        bboxes: (N, 4) boxes, xyxy in pixels of the original image.
        scores: (N,) detection scores.
        similarities: (N,) matching scores, by which the detections are ranked; all numbers are finite.
    """

    image_inds: Tensor
    counts: Tensor
    bboxes: Tensor
    scores: Tensor
    similarities: Tensor

    def counted(self, protocol: SearchProtocol, det_thr: float) -> QueryResults:
        """Return the detections with score >= det_thr, without those in regions to ignore; all images stay."""
        owners = torch.repeat_interleave(self.counts)
        scenes = [protocol.images[i] for i in self.image_inds.tolist()]
        keep = (self.scores >= det_thr) & ~ignored_in_search(self.bboxes.double(), owners, scenes)
        counts = torch.bincount(owners[keep], minlength=len(self.counts))
        return QueryResults(self.image_inds, counts, self.bboxes[keep], self.scores[keep], self.similarities[keep])

    def by_image(self, num_images: int) -> list[InstanceData]:
        """Return ``bboxes``, ``scores``, ``similarities`` of each of the protocol's images, empty where not paired."""
        counts = self.counts.tolist()
        parts = zip(self.bboxes.split(counts), self.scores.split(counts), self.similarities.split(counts))
        paired = {
            image: InstanceData(bboxes=bboxes, scores=scores, similarities=similarities)
            for image, (bboxes, scores, similarities) in zip(self.image_inds.tolist(), parts)
        }
        none = InstanceData(bboxes=self.bboxes[:0], scores=self.scores[:0], similarities=self.similarities[:0])
        return [paired.get(image, none) for image in range(num_images)]


def check_results(protocol: SearchProtocol, query_ind: int, found: QueryResults) -> None:
    """Raise ``InputError`` that names the query if fields have wrong shapes, images or numbers."""
    where = f"results of query {query_ind}"
    images, num = found.image_inds, len(found.scores)
    shapes = [tuple(one.shape) for one in (found.counts, found.bboxes, found.similarities)]
    if shapes != [(len(images),), (num, 4), (num,)] or int(found.counts.sum()) != num:
        raise InputError(
            f"{where}: expected counts (G,) that add up to n, bboxes (n, 4), scores (n,) and similarities (n,), "
            f"got shapes {shapes[0]}, {shapes[1]}, ({num},) and {shapes[2]} and {int(found.counts.sum())} counted"
        )
    if len(images.unique()) < len(images) or not all(0 <= i < len(protocol.images) for i in images.tolist()):
        raise InputError(f"{where}: image_inds must be different indices below {len(protocol.images)}")
    for name in ("bboxes", "scores", "similarities"):
        bad = ~torch.isfinite(getattr(found, name)[:, None]).flatten(1).all(1)
        if bad.any():
            image = images[torch.repeat_interleave(found.counts)[bad][0]]
            raise InputError(f"{where}: {name} not finite in image {protocol.images[int(image)].img_id!r}")


def galleries_alone(protocol: SearchProtocol, sizes: Sequence[int | None]) -> list[Gallery]:
    """Build galleries without detections: their images and the true boxes in them."""
    none = InstanceData(bboxes=torch.zeros(0, 4), scores=torch.zeros(0), reid_feats=torch.zeros(0, 1))
    index = build_search_index(protocol, [none] * len(protocol.images), torch.zeros(len(protocol.queries), 1), 0.0)
    return [build_gallery(protocol, index, size) for size in sizes]


def paired_images(galleries: Sequence[Gallery], query_inds: Tensor) -> Tensor:
    """Return (R, S) bool, whether each query has to be paired with each image for any of the galleries."""
    result = torch.zeros(len(query_inds), galleries[0].index.num_images, dtype=torch.bool)
    for gallery in galleries:
        lists = gallery.image_lists(query_inds)
        rows, columns = torch.nonzero(lists >= 0, as_tuple=True)
        result[rows, lists[rows, columns]] = True
    return result


class PairGallery(Searched):
    """The galleries of R queries, each with its own detections; the query of row r is number r here.

    Attributes:
        pairs: See :class:`Searched`; candidates are columns.
        similarities: (R, L) of each query's detections, image after image in its gallery's order, padded with -inf.

    Args:
        gallery: One of :func:`galleries_alone`.
        query_inds: (R,) the queries.
        results: Of these queries, with the images of their galleries at least.

    Raises:
        InputError: A query has no result for an image of its gallery.
    """

    def __init__(self, gallery: Gallery, query_inds: Tensor, results: Sequence[QueryResults]) -> None:
        num, shape = len(results), (len(results), gallery.index.num_images)
        counts = torch.cat([found.counts for found in results])
        starts = counts.cumsum(0) - counts
        owners = torch.repeat_interleave(torch.tensor([len(found.counts) for found in results]))
        entries = torch.full(shape, -1)
        entries[owners, torch.cat([found.image_inds for found in results])] = torch.arange(len(counts))

        lists = gallery.image_lists(query_inds)
        rows, places = torch.nonzero(lists >= 0, as_tuple=True)
        images = lists[rows, places]
        listed = entries[rows, images]
        for k in torch.nonzero(listed < 0).flatten().tolist()[:1]:
            query, image = int(query_inds[rows[k]]), int(images[k])
            raise InputError(f"results of query {query} lack image {image} of its gallery {gallery.name!r}")
        lengths = torch.zeros_like(lists)
        lengths[rows, places] = counts[listed]
        columns = lengths.cumsum(1) - lengths
        width = int(lengths.sum(1).max())
        sources, _ = ragged_ranges(starts[listed], counts[listed])
        targets, _ = ragged_ranges(rows * width + columns[rows, places], counts[listed])
        found = torch.cat([one.similarities for one in results])
        self.similarities = found.new_full((num, width), -torch.inf)
        self.similarities.view(-1)[targets] = found[sources]

        true = gallery.pairs
        inds, rows_of_true = ragged_ranges(true.offsets[query_inds], true.counts[query_inds])
        first_columns = torch.zeros(shape, dtype=torch.int64)
        first_columns[rows, images] = columns[rows, places]
        images, bboxes = true.image_inds[inds], true.bboxes[inds]
        first, entry = first_columns[rows_of_true, images], entries[rows_of_true, images]
        found = torch.cat([one.bboxes for one in results])
        candidates, candidate_offsets = find_candidates(found, starts[entry], counts[entry], bboxes)
        candidates += torch.repeat_interleave(first - starts[entry], candidate_offsets.diff())
        self.pairs = TruePairs(
            offsets_of(rows_of_true, num), images, bboxes, first, counts[entry], first, candidates, candidate_offsets
        )

    def arrange(self, similarities: Tensor, query_inds: Tensor) -> Tensor:
        """See :meth:`Searched.arrange`; the similarities are arranged already."""
        return similarities.clone()
