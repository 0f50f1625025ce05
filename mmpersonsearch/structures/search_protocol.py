"""Search protocols (annotated test images, queries, the gallery of each query) and ranking lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from mmpersonsearch.utils.errors import InputError


@dataclass
class SceneImage:
    """Annotations of one test image.

    Attributes:
        img_id: Name or number of the image, unique in the protocol.
        bboxes: (N, 4) float64 boxes of all annotated persons, xyxy in pixels of the original image.
        person_ids: (N,) int64 identity of each box; ``-1`` marks an unlabelled person.
        camera_id: Camera of the image; None where the data set has no cameras.
        ignored_bboxes: (M, 4) float64 regions, xyxy, where detections are neither true nor false positives. Nobody in
            them is known, so that no query's person is such a region.
    """

    img_id: str | int
    bboxes: np.ndarray
    person_ids: np.ndarray
    camera_id: int | None = None
    ignored_bboxes: np.ndarray = field(default_factory=lambda: np.empty((0, 4)))

    def __post_init__(self) -> None:
        self.bboxes = np.asarray(self.bboxes, dtype=np.float64).reshape(-1, 4)
        self.person_ids = np.asarray(self.person_ids, dtype=np.int64).reshape(-1)
        self.ignored_bboxes = np.asarray(self.ignored_bboxes, dtype=np.float64).reshape(-1, 4)
        if len(self.bboxes) != len(self.person_ids):
            raise InputError(f"image {self.img_id!r}: {len(self.bboxes)} bboxes but {len(self.person_ids)} person_ids")


@dataclass
class Query:
    """One person to search for.

    Attributes:
        img_id: Image that shows the person; must be among the protocol's images.
        bbox: (4,) float64 box of the person, xyxy in pixels of the original image.
        person_id: Identity, >= 0.
        camera_id: Camera of the image; None where the data set has no cameras.
    """

    img_id: str | int
    bbox: np.ndarray
    person_id: int
    camera_id: int | None = None

    def __post_init__(self) -> None:
        self.bbox = np.asarray(self.bbox, dtype=np.float64).reshape(4)


@dataclass(frozen=True)
class AllImages:
    """Galleries of all images but the query's own."""

    name: ClassVar[str] = "all"
    sizes: ClassVar[tuple[int, ...]] = ()


@dataclass(frozen=True)
class CrossCamera:
    """Galleries of the images of other cameras than the query's."""

    name: ClassVar[str] = "cross_camera"
    sizes: ClassVar[tuple[int, ...]] = ()


@dataclass
class ImageList:
    """Gallery of one query: a list of images, and the person's boxes in them.

    Attributes:
        image_inds: (G,) indices of the images among the protocol's.
        present: (P,) int64 indices in this list, in [0, G), of the images that show the person.
        bboxes: (P, 4) float64 the person's box in each of these, xyxy in pixels of the original image.
    """

    image_inds: np.ndarray
    present: np.ndarray
    bboxes: np.ndarray

    def __post_init__(self) -> None:
        self.image_inds = np.asarray(self.image_inds).reshape(-1)
        self.present = np.asarray(self.present, dtype=np.int64).reshape(-1)
        self.bboxes = np.asarray(self.bboxes, dtype=np.float64).reshape(-1, 4)
        number, present = len(self.image_inds), self.present.tolist()
        if len(present) != len(self.bboxes):
            raise InputError(f"ImageList: {len(present)} images hold the person but bboxes has {len(self.bboxes)}")
        if len({i for i in present if 0 <= i < number}) < len(present):
            raise InputError(f"ImageList: present {present}, expected different places in a list of {number} images")


@dataclass(frozen=True)
class Listed:
    """Galleries of one or several sizes, each a list of images of the query's own.

    Attributes:
        lists: For each size, the main one first, the lists of all queries in their order.
    """

    lists: dict[int, Sequence[ImageList]]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes, the main one first."""
        return tuple(self.lists)


@dataclass
class SearchProtocol:
    """Test images, queries and the gallery of each query.

    Attributes:
        images: All test images: the galleries', and the queries' own where these are in no gallery.
        queries: The persons to search for.
        galleries: The images that each query is searched in.
        data: The data set's name under ``'data_set'``, and a fingerprint of each kind of annotation file, so that
            metrics of different data are not compared. Empty where it is not known.
        class_name: The class that is searched for, as in the data set's ``metainfo``; for texts only.

    Raises:
        InputError: Two images of one ``img_id``, a query in an unknown image, a wrong number of lists.
    """

    images: list[SceneImage]
    queries: list[Query]
    galleries: AllImages | CrossCamera | Listed = field(default_factory=AllImages)
    data: dict[str, str] = field(default_factory=dict)
    class_name: str = "person"

    def __post_init__(self) -> None:
        self.image_index = {image.img_id: i for i, image in enumerate(self.images)}
        if len(self.image_index) != len(self.images):
            raise InputError("SearchProtocol: img_id must be unique among the images")
        if unknown := [query.img_id for query in self.queries if query.img_id not in self.image_index]:
            raise InputError(f"SearchProtocol: the query's image {unknown[0]!r} is not among the protocol's images")
        galleries, number = self.galleries, len(self.queries)
        if not isinstance(galleries, AllImages | CrossCamera | Listed):
            raise InputError(f"SearchProtocol: galleries must be AllImages, CrossCamera or Listed, got {galleries!r}")
        for size, lists in galleries.lists.items() if isinstance(galleries, Listed) else ():
            if len(lists) != number:
                raise InputError(
                    f"SearchProtocol: gallery {size} has {len(lists)} lists, "
                    f"expected one for each of the {number} queries"
                )

    @property
    def main_gallery(self) -> int | None:
        """The first gallery size, which metrics without a size in their name refer to; None where there are none."""
        return next(iter(self.galleries.sizes), None)


@dataclass
class RankingList:
    """The k gallery images that are most similar to a query, each with its most similar detection.

    Attributes:
        query_ind: Index of the query.
        image_inds: (k,) int64 images of the protocol, best first; fewer where the gallery has fewer with detections.
        bboxes: (k, 4) float64 the detections, xyxy in pixels.
        similarities: (k,) of the ranking.
        right: (k,) bool, whether the detection is on the query's person.
        true_bboxes: k boxes (4,) float64 of the query's person in these images, None where it is absent.
        other_bboxes: k arrays (n, 4) float64, the images' other detections.
    """

    query_ind: int
    image_inds: np.ndarray
    bboxes: np.ndarray
    similarities: np.ndarray
    right: np.ndarray
    true_bboxes: list[np.ndarray | None]
    other_bboxes: list[np.ndarray]
