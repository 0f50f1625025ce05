"""Small data sets in the structure of PRW and of CUHK-SYSU on disk, for tests of any part.

Persons are rectangles whose colour tells the identity, on a grey ground.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.io import savemat

# Frame: (identity or -2, x, y, w, h) of each person.
PRW_TRAIN = {
    "c1s1_000001": [(7, 10, 20, 30, 70), (-2, 60, 10, 25, 60)],
    "c2s1_000002": [(7, 100, 15, 28, 66), (932, 20, 30, 24, 60)],
    "c3s1_000003": [],
    "c1s1_000004": [(932, 130, 25, 26, 64), (3, 40, 22, 30, 70)],
    "c2s1_000005": [(3, 60, 12, 30, 72), (-2, 5, 5, 20, 50)],
}
PRW_TEST = {
    "c1s2_000010": [(11, 12, 16, 30, 72), (12, 70, 20, 28, 64)],
    "c2s2_000011": [(11, 90, 18, 26, 66), (-2, 30, 22, 30, 60)],
    "c1s2_000012": [(12, 40, 20, 24, 60)],
    "c3s2_000013": [(-2, 20, 30, 30, 60)],
}
PRW_QUERIES = [
    (11, 12, 16, 30, 72, "c1s2_000010"),
    (12, 70, 20, 28, 64, "c1s2_000010"),
    (11, 90, 18, 26, 66, "c2s2_000011"),
]

# Image: boxes of all its persons.
CUHK_IMAGES = {
    "s1.jpg": [(10, 20, 30, 70), (60, 10, 25, 60)],
    "s2.jpg": [(100, 15, 28, 66), (20, 30, 24, 60)],
    "s3.jpg": [(130, 25, 26, 64)],
    "s10.jpg": [(12, 16, 30, 72), (70, 20, 28, 64)],
    "s11.jpg": [(90, 18, 26, 66), (30, 22, 30, 60)],
    "s12.jpg": [(40, 20, 24, 60)],
    "s13.jpg": [(20, 30, 30, 60)],
}
CUHK_POOL = ["s11.jpg", "s12.jpg", "s13.jpg"]
CUHK_TRAIN = {
    "p10": [("s1.jpg", (10, 20, 30, 70)), ("s2.jpg", (100, 15, 28, 66))],
    "p9": [("s2.jpg", (20, 30, 24, 60)), ("s3.jpg", (130, 25, 26, 64))],
}
# Identity, image and box of the query, gallery; None: the person is not there.
CUHK_QUERIES = [
    ("p31", "s10.jpg", (12, 16, 30, 72), [("s11.jpg", (90, 18, 26, 66)), ("s13.jpg", None), ("s12.jpg", None)]),
    ("p4", "s10.jpg", (70, 20, 28, 64), [("s12.jpg", (40, 20, 24, 60)), ("s11.jpg", None)]),
]


def write_image(path, persons=(), size=(160, 120)):
    """Writes a JPEG of ``size`` (w, h); ``persons`` are (number of the colour, x, y, w, h)."""
    image = Image.new("RGB", size, (128, 128, 128))
    draw = ImageDraw.Draw(image)
    for number, x, y, w, h in persons:
        colour = tuple(int(c) for c in np.random.default_rng(int(number) + 10).integers(0, 256, 3))
        draw.rectangle([x, y, max(x, x + w - 1), max(y, y + h - 1)], fill=colour)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "JPEG", quality=95)


def cells(items, column=True):
    """A MATLAB cell array."""
    array = np.empty((len(items), 1) if column else (1, len(items)), dtype=object)
    for i, item in enumerate(items):
        array.flat[i] = item
    return array


def structs(fields, rows):
    """A MATLAB struct array of 1 x N."""
    array = np.empty((1, len(rows)), dtype=[(field, object) for field in fields])
    for i, row in enumerate(rows):
        array[0, i] = tuple(row)
    return array


def write_prw(root, train=None, test=None, queries=None, key="box_new", size=(160, 120)):
    """Writes a set in PRW's structure: frames as ``{name: [(id, x, y, w, h), ...]}``, queries as in its file."""
    root = Path(root)
    train = PRW_TRAIN if train is None else train
    test = PRW_TEST if test is None else test
    queries = PRW_QUERIES if queries is None else queries
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    for name, persons in {**train, **test}.items():
        write_image(root / "frames" / f"{name}.jpg", persons, size)
        rows = np.array(persons, dtype=np.float64).reshape(-1, 5)
        # scipy appends .mat to a name that does not end in it.
        savemat(root / "annotations" / f"{name}.jpg.mat", {key: rows})
    savemat(root / "frame_train.mat", {"img_index_train": cells(list(train))})
    savemat(root / "frame_test.mat", {"img_index_test": cells(list(test))})
    lines = [" ".join([str(person), *(f"{number:.4f}" for number in box), frame]) for person, *box, frame in queries]
    (root / "query_info.txt").write_bytes("".join(line + "\r\n" for line in lines).encode())
    return root


def write_cuhk(root, images=None, pool=None, train=None, galleries=None, size=(160, 120), compress=True):
    """Writes a set in CUHK-SYSU's structure; ``galleries`` is ``{size: queries}``, each as :data:`CUHK_QUERIES`."""
    root = Path(root)
    images = CUHK_IMAGES if images is None else images
    pool = CUHK_POOL if pool is None else pool
    train = CUHK_TRAIN if train is None else train
    galleries = {50: CUHK_QUERIES, 100: CUHK_QUERIES} if galleries is None else galleries
    protocols = root / "annotation" / "test" / "train_test"
    protocols.mkdir(parents=True, exist_ok=True)

    for name, boxes in images.items():
        write_image(root / "Image" / "SSM" / name, [(i, *box) for i, box in enumerate(boxes)], size)
    entries = [(name, [[float(len(boxes))]], _persons(boxes)) for name, boxes in images.items()]

    def save(path, content):
        savemat(path, content, do_compression=compress)

    save(root / "annotation" / "Images.mat", {"Img": structs(["imname", "nAppear", "box"], entries)})
    save(root / "annotation" / "pool.mat", {"pool": cells(pool)})
    save(protocols / "Train.mat", {"Train": cells([_train_person(*item) for item in train.items()])})
    for number, queries in galleries.items():
        rows = [_search(*query) for query in queries]
        save(protocols / f"TestG{number}.mat", {f"TestG{number}": structs(["Query", "Gallery"], rows)})
    return root


def _box(box):
    return np.empty((0, 0)) if box is None else np.array([box], dtype=np.float64)


def _persons(boxes):
    return structs(["idlocate", "ishard"], [(_box(box), [[0.0]]) for box in boxes])


def _train_person(idname, places):
    scenes = structs(["imname", "idlocate", "ishard"], [(name, _box(box), [[0.0]]) for name, box in places])
    return structs(["idname", "nAppear", "scene"], [(idname, [[float(len(places))]], scenes)])


def _search(idname, image, box, gallery):
    query = structs(["imname", "idlocate", "ishard", "idname"], [(image, _box(box), [[0.0]], idname)])
    rows = [(name, _box(place), np.empty((0, 0)) if place is None else [[0.0]]) for name, place in gallery]
    return query, structs(["imname", "idlocate", "ishard"], rows)
