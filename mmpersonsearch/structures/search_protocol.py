"""What a person search is judged by: test images with their truth, queries, and each query's gallery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from mmpersonsearch.utils.errors import InputError


@dataclass
class SceneImage:
    """Truth of one test image.

    Attributes:
        img_id: Name or number of the image, unique in the protocol.
        bboxes: (N, 4) boxes of all annotated persons, xyxy in pixels of the original image.
        person_ids: (N,) int64 identity of each box; ``-1`` marks an unlabelled person.
        camera_id: Camera of the image; None where the data set has no cameras.
    """

    img_id: str | int
    bboxes: np.ndarray
    person_ids: np.ndarray
    camera_id: int | None = None

    def __post_init__(self) -> None:
        self.bboxes = np.asarray(self.bboxes, dtype=np.float64).reshape(-1, 4)
        self.person_ids = np.asarray(self.person_ids, dtype=np.int64).reshape(-1)
        if len(self.bboxes) != len(self.person_ids):
            raise InputError(f"image {self.img_id!r}: {len(self.bboxes)} bboxes but {len(self.person_ids)} person_ids")


@dataclass
class Query:
    """One person to search for.

    Attributes:
        img_id: Image that shows the query person; must be among the protocol's images.
        bbox: (4,) box of the query person, xyxy in pixels of the original image.
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
    """Each query's gallery is every image but its own."""

    name: ClassVar[str] = "all"
    sizes: ClassVar[tuple[int, ...]] = ()


@dataclass(frozen=True)
class CrossCamera:
    """Each query's gallery is the images of other cameras than its own image's."""

    name: ClassVar[str] = "cross_camera"
    sizes: ClassVar[tuple[int, ...]] = ()


@dataclass
class ImageList:
    """The gallery of one query: a list of images, and where its person is in them.

    Attributes:
        image_inds: (G,) indices of the images among the protocol's.
        present: (P,) places in this list, in [0, G), of the images that hold the person.
        bboxes: (P, 4) the person's box in each of these, xyxy in pixels of the original image.
    """

    image_inds: np.ndarray
    present: np.ndarray
    bboxes: np.ndarray

    def __post_init__(self) -> None:
        self.image_inds = np.asarray(self.image_inds).reshape(-1)
        self.present = np.asarray(self.present, dtype=np.int64).reshape(-1)
        self.bboxes = np.asarray(self.bboxes, dtype=np.float64).reshape(-1, 4)
        if len(self.present) != len(self.bboxes):
            raise InputError(f"ImageList: {len(self.present)} images hold the person but bboxes has {len(self.bboxes)}")
        places = np.unique(self.present)
        inside = places[(places >= 0) & (places < len(self.image_inds))]
        if len(inside) < len(self.present):
            raise InputError(
                f"ImageList: present {self.present.tolist()}, expected different places in a list of "
                f"{len(self.image_inds)} images"
            )


@dataclass(frozen=True)
class Listed:
    """Each query has a list of images of its own, in galleries of one or several sizes.

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
        images: All test images: the galleries', and the queries' own where these are not in a gallery.
        queries: The persons to search for.
        galleries: Which images each query is searched in.
        data: Where all this comes from, so that metrics of different data are not compared unawares: the data set
            under ``'data_set'``, and for each of its annotation files what it says and a fingerprint. Empty where
            it is not known.
        class_name: What is searched for, the class of the data set's ``metainfo``; for texts only.

    Raises:
        InputError: Two images of one ``img_id``, a query in an unknown image, a wrong number of lists.
    """

    images: list[SceneImage]
    queries: list[Query]
    galleries: AllImages | CrossCamera | Listed = field(default_factory=AllImages)
    data: dict[str, str] = field(default_factory=dict)
    class_name: str = "person"

    def __post_init__(self) -> None:
        index = {image.img_id: i for i, image in enumerate(self.images)}
        if len(index) != len(self.images):
            raise InputError("SearchProtocol: img_id must be unique among the images")
        for query in self.queries:
            if query.img_id not in index:
                raise InputError(
                    f"SearchProtocol: the query's image {query.img_id!r} is not among the protocol's images"
                )
        if not isinstance(self.galleries, AllImages | CrossCamera | Listed):
            raise InputError(
                f"SearchProtocol: galleries must be AllImages, CrossCamera or Listed, got {self.galleries!r}"
            )
        for size in self.galleries.sizes:
            if (number := len(self.galleries.lists[size])) != len(self.queries):
                raise InputError(
                    f"SearchProtocol: gallery {size} has {number} lists, "
                    f"expected one for each of the {len(self.queries)} queries"
                )
        self.image_index = index

    @property
    def main_gallery(self) -> int | None:
        """The size that a metric is for which names none: the first; None where galleries have no sizes."""
        return next(iter(self.galleries.sizes), None)
