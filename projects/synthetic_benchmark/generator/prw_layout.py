"""Writes the files of a data set in PRW's layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

JPEG_QUALITY = 92


def make_folders(root: Path) -> None:
    """Make the folders of an empty set."""
    for name in ("frames", "annotations"):
        (root / name).mkdir(parents=True)


def write_frame(root: Path, name: str, frame: np.ndarray, annotation: np.ndarray) -> None:
    """Write ``frames/<name>.jpg`` and ``annotations/<name>.jpg.mat``.

    Args:
        root: Folder of the set.
        name: Frame name without suffix.
        frame: (H, W, 3) uint8 RGB.
        annotation: (N, 5) rows id, x, y, w, h; id -2 for the unlabelled.
    """
    # Whole color resolution: at half of it, chroma is all that would be lost of thin stripes in a small picture.
    Image.fromarray(frame).save(root / "frames" / f"{name}.jpg", quality=JPEG_QUALITY, subsampling=0)
    _save(root / "annotations" / f"{name}.jpg.mat", "box_new", annotation)


def write_split(root: Path, split: str, names: list[str], identities: list[int]) -> None:
    """Write ``frame_<split>.mat`` (cell array (M, 1) of names) and ``ID_<split>.mat`` ((1, K) numbers)."""
    cells = np.empty((len(names), 1), dtype=object)
    cells[:, 0] = names
    _save(root / f"frame_{split}.mat", f"img_index_{split}", cells)
    numbers = np.array(identities, dtype=np.float64).reshape(1, -1)
    _save(root / f"ID_{split}.mat", "ID_test2" if split == "test" else "ID_train", numbers)


def write_queries(root: Path, queries: list[tuple[str, np.ndarray]]) -> None:
    """Write ``query_info.txt``: lines ``id x y w h frame`` with CRLF ends.

    Args:
        root: Folder of the set.
        queries: Frame name and annotation row (5,) of each.
    """
    lines = [f"{int(row[0])} " + " ".join(f"{v:.4f}" for v in row[1:]) + f" {name}\r\n" for name, row in queries]
    (root / "query_info.txt").write_bytes("".join(lines).encode())


def _save(path: Path, key: str, value: np.ndarray) -> None:
    savemat(path, {key: value})
    _blank_date(path)


def _blank_date(path: Path) -> None:
    """Overwrite the time stamp in the header's text, so that the same set is the same file."""
    with path.open("r+b") as file:
        file.write(b"MATLAB 5.0 MAT-file, Platform: any, Created by: make_synth.py".ljust(116))
