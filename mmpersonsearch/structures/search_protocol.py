"""What a person search is judged by: test images with their truth, queries, and each query's gallery."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


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
            raise ValueError(f"image {self.img_id!r}: {len(self.bboxes)} bboxes but {len(self.person_ids)} person_ids")


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


Gallery = list[tuple[np.ndarray, np.ndarray]]


@dataclass
class SearchProtocol:
    """Test images, queries and the gallery of each query.

    Attributes:
        images: All test images: the galleries', and the queries' own where these are not in a gallery.
        queries: The persons to search for.
        galleries: ``'all'``: each query's gallery is every image but its own. ``'cross_camera'``: of those, the
            images of other cameras. A dict ``{size: [(image_indices (G,), true_bboxes (G, 4)), ... one a query]}``:
            an own gallery for each query, with the person's box in each image and NaN where it is absent.
        data: Where all this comes from, so that figures of different data are not compared unawares: the data set
            under ``'data_set'``, and for each of its annotation files what it says and a fingerprint. Empty where
            it is not known.
        class_name: What is searched for, the class of the data set's ``metainfo``; for texts only.
    """

    images: list[SceneImage]
    queries: list[Query]
    galleries: str | dict[int, Gallery] = field(default="all")
    data: dict[str, str] = field(default_factory=dict)
    class_name: str = "person"

    def __post_init__(self) -> None:
        index = {image.img_id: i for i, image in enumerate(self.images)}
        if len(index) != len(self.images):
            raise ValueError("SearchProtocol: img_id must be unique among the images")
        for query in self.queries:
            if query.img_id not in index:
                raise ValueError(
                    f"SearchProtocol: the query's image {query.img_id!r} is not among the protocol's images"
                )
        if isinstance(self.galleries, dict):
            for size, gallery in self.galleries.items():
                if len(gallery) != len(self.queries):
                    raise ValueError(
                        f"SearchProtocol: gallery {size} has {len(gallery)} entries, "
                        f"expected one for each of the {len(self.queries)} queries"
                    )
        elif self.galleries not in ("all", "cross_camera"):
            raise ValueError(
                f"SearchProtocol: galleries must be 'all', 'cross_camera' or a dict, got {self.galleries!r}"
            )
        self.image_index = index

    @property
    def main_gallery(self) -> int | None:
        """The size that a figure is for which names none: the first; None where galleries have no sizes."""
        return next(iter(self.galleries)) if isinstance(self.galleries, dict) else None
