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
_NEAR = 10.0  # seconds: read on to a frame that is not further, else seek
_ROUNDING = 0.002  # seconds, of names and of time stamps in files


def list_items(inputs: Item | Path | Iterable[Item | Path], fps: float) -> list[Item]:
    """List the pictures of files, folders, videos and arrays; of a video that cannot be read one frame.

    Raises:
        FileNotFoundError: A file is missing.
        InputError: ``fps`` is not above 0.
    """
    if not fps > 0:
        raise InputError(f"fps: expected a number above 0, got {fps}")
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
        try:
            return list_frames(path, fps)
        except InputError:
            return [f"{path}#t=0.000"]  # whose reading gives the error
    if split_frame(path)[1] is None and not os.path.isfile(path):
        raise FileNotFoundError(f"{path} does not exist")
    return [path]


def split_frame(name: str) -> tuple[str, float | None]:
    """Split ``video.avi#t=12.400`` into the file and the second; of a file's own name the second is None."""
    match = None if os.path.exists(name) else _FRAME.fullmatch(name)
    return (match[1], float(match[2])) if match else (name, None)


def list_frames(path: str, fps: float = 1.0) -> list[str]:
    """Name frames of a video, ``fps`` a second, or as many as it has.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is no video that OpenCV reads.
    """
    video = _open_video(path)
    fps = min(fps, video.fps)
    return [f"{path}#t={i / fps:.3f}" for i in range(int(video.find_end() * fps + 1e-3) + 1)]


def read_frame(path: str, second: float) -> np.ndarray:
    """Read the frame that a video shows at a second: (h, w, 3) BGR.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It is no video that OpenCV reads, or it ends before.
    """
    return _open_video(path).read(second)


def open_picture(item: Item) -> Image.Image:
    """Read a file, a frame or an array as an RGB image; for errors see :func:`open_scene` and :func:`list_frames`."""
    path, second = split_frame(item) if isinstance(item, str) else ("", None)
    if isinstance(item, str) and second is None:
        return open_scene(item)
    return Image.fromarray((item if second is None else read_frame(path, second))[..., ::-1].copy())


class _Video:
    """A video that keeps its place, and reads on where frames are asked for in their order.

    Frames are found by their own times: the rate of a video may vary, and seeking by frames misses them then. At any
    time one frame is decoded ahead, of the second ``ahead``; ``image`` is the one before, of the second ``since``.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.capture = cv2.VideoCapture(path)
        self.fps = self.capture.get(cv2.CAP_PROP_FPS)
        self.number = int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.first, self.ahead = 0.0, 0.0
        self.image, self.since = None, np.inf
        if not self.capture.isOpened() or not self.fps > 0 or self.number < 1 or not self._grab():
            raise InputError(f"{path} cannot be read as a video")
        self.first, self.ahead = self.ahead, 0.0

    def find_end(self) -> float:
        """Return the second of the last frame, or what the header tells if that is later.

        The header's rate is not the mean rate of every video. Of a truncated one what is missing has to be named.
        """
        end = (self.number - 1) / self.fps
        self.capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * (end - 1 + self.first))
        while self._grab():
            end = max(end, self.ahead)
        self.since = self.ahead = np.inf
        return end

    def read(self, second: float) -> np.ndarray:
        limit, few = second + _ROUNDING, 4 / self.fps
        if (self.since > limit and self.ahead > limit) or limit - self.ahead > _NEAR:
            self._seek(limit)
        self._read_to(limit, few)
        if self.ahead == np.inf and limit - self.since > few:
            length = self.number / self.fps
            raise InputError(f"{self.path} ends after {self.since:.3f} seconds, its header tells {length:.3f}")
        if self.image is None:  # frames are further from each other than their mean rate tells
            self._seek(limit)
            self._read_to(limit, np.inf)
        return self.image

    def _read_to(self, limit: float, near: float) -> None:
        """Read to the last frame of a limit; frames that are not near it are not converted, which takes time."""
        while self.ahead <= limit:
            self.since = self.ahead
            self.image = self.capture.retrieve()[1] if limit - self.since <= near else None
            if not self._grab():
                self.ahead = np.inf

    def _seek(self, limit: float) -> None:
        """Go to a frame of a limit or before."""
        self.image, back = None, 1.0
        while back < limit:
            self.capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * (limit - back + self.first))
            if self._grab() and self.ahead <= limit:
                return
            back *= 4
        self.capture = cv2.VideoCapture(self.path)
        self._grab()

    def _grab(self) -> bool:
        found = self.capture.grab()
        time = self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if time <= 0:  # not told: counted
            time = max(0.0, self.capture.get(cv2.CAP_PROP_POS_FRAMES) - 1) / self.fps
        self.ahead = time - self.first
        return found


def _open_video(path: str) -> _Video:
    if not os.path.isfile(path):
        raise FileNotFoundError(f"video {path} does not exist")
    status = os.stat(path)
    return _keep_open(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1)
def _keep_open(path: str, size: int, mtime: int) -> _Video:
    return _Video(path)
