"""Pictures in files, folders and videos; a video's frame is named ``video.avi#t=12.400``, by its second."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from .errors import InputError
from .scene_files import open_scene

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
VIDEO_SUFFIXES = (".avi", ".mp4", ".mov", ".mkv", ".m4v", ".mpg", ".mpeg", ".webm", ".wmv")
Item = str | np.ndarray  # a file, a frame, or an image (h, w, 3) in BGR
_FRAME = re.compile(r"(.+)#t=(\d+\.\d{3})")
_NEAR = 100  # frames: read on to a frame that is not further, else seek


def list_items(inputs: Item | Path | Iterable[Item | Path], fps: float) -> list[Item]:
    """List the pictures of files, folders, videos and arrays.

    Raises:
        FileNotFoundError: A file is missing.
        InputError: A video cannot be read.
    """
    if isinstance(inputs, np.ndarray):
        return [inputs]
    if not isinstance(inputs, str | Path):
        return [item for one in inputs for item in list_items(one, fps)]
    path = str(inputs)
    if os.path.isdir(path):
        files = sorted(str(one) for one in Path(path).rglob("*") if one.is_file())
        media = [one for one in files if one.lower().endswith((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES))]
        return [item for one in media for item in list_items(one, fps)]
    if path.lower().endswith(VIDEO_SUFFIXES):
        return list_frames(path, fps)
    if split_frame(path)[1] is None and not os.path.isfile(path):
        raise FileNotFoundError(f"{path} does not exist")
    return [path]


def split_frame(name: str) -> tuple[str, float | None]:
    """Split ``video.avi#t=12.400`` into the file and the second; of a file's own name the second is None."""
    match = None if os.path.exists(name) else _FRAME.fullmatch(name)
    return (match[1], float(match[2])) if match else (name, None)


def list_frames(path: str, fps: float = 1.0) -> list[str]:
    """Name frames of a video, ``fps`` a second, or all where it has fewer.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is no video that OpenCV reads; ``fps`` is not above 0.
    """
    if not fps > 0:
        raise InputError(f"fps: expected a number above 0, got {fps}")
    video = _open_video(path)
    step = max(1.0, video.fps / fps)
    places = [round(i * step) for i in range(int((video.number - 1) / step) + 1)]
    return [f"{path}#t={place / video.fps:.3f}" for place in places]


def read_frame(path: str, second: float) -> np.ndarray:
    """Read the frame at a second that :func:`list_frames` named: (h, w, 3) BGR; for errors, see there."""
    video = _open_video(path)
    return video.read(round(second * video.fps))


def open_picture(item: Item) -> Image.Image:
    """Read a file, a frame or an array as an RGB image; for errors see :func:`open_scene` and :func:`list_frames`."""
    path, second = split_frame(item) if isinstance(item, str) else ("", None)
    if isinstance(item, str) and second is None:
        return open_scene(item)
    return Image.fromarray((item if second is None else read_frame(path, second))[..., ::-1].copy())


class _Video:
    """A video that is read in the order of its frames; it keeps its place."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.capture = cv2.VideoCapture(path)
        self.fps = self.capture.get(cv2.CAP_PROP_FPS)
        self.number = int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT))
        if not self.capture.isOpened() or not self.fps > 0 or self.number < 1:
            raise InputError(f"{path} cannot be read as a video")
        self.place = 0

    def read(self, place: int) -> np.ndarray:
        if not 0 <= place - self.place <= _NEAR:
            self.capture.set(cv2.CAP_PROP_POS_FRAMES, place)
            self.place = place
        while self.place < place and self.capture.grab():
            self.place += 1
        found, frame = self.capture.read()
        self.place += 1
        if not found:
            raise InputError(f"{self.path} has no readable frame at {place / self.fps:.3f} seconds")
        return frame


def _open_video(path: str) -> _Video:
    if not os.path.isfile(path):
        raise FileNotFoundError(f"video {path} does not exist")
    status = os.stat(path)
    return _keep_open(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1)
def _keep_open(path: str, size: int, mtime: int) -> _Video:
    return _Video(path)
