import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from painted_persons import paint_array, write_video
from PIL import Image

from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.media import _open_video, list_frames, list_items, read_frame, split_frame

# Of Debian's package opencv-doc.
VTEST = Path(os.environ.get("VTEST", "/usr/share/doc/opencv-doc/examples/data/vtest.avi"))


def place_of(frame):
    """Number of the frame, by the place of the person in it."""
    return int(np.nonzero(frame[20, :, 2] > 200)[0][0]) - 10


def test_frames_are_named_by_their_seconds(tmp_path):
    path = write_video(tmp_path / "walk.avi")
    assert list_frames(path, 2.0) == [f"{path}#t={second:.3f}" for second in (0, 0.5, 1, 1.5, 2, 2.5)]
    assert len(list_frames(path, 100)) == 12
    _open_video(path).number = 5  # as a header may have it
    assert len(list_frames(path, 100)) == 12
    assert list_frames(path, 1.5) == [f"{path}#t={second:.3f}" for second in (0, 0.667, 1.333, 2, 2.667)]
    assert [place_of(read_frame(*split_frame(name))) for name in list_frames(path, 1.5)] == [0, 2, 5, 8, 10]
    assert [place_of(read_frame(*split_frame(name))) for name in list_frames(path, 4)] == list(range(12))
    # In any order, and again.
    assert [place_of(read_frame(path, second)) for second in (2.5, 0.0, 1.0, 1.24, 2.99, 1.25)] == [10, 0, 4, 4, 11, 5]


def test_a_rate_that_varies(tmp_path):
    """GIFs, which FFmpeg reads as videos: with a frame that stays for 15 seconds, and first slow, then fast."""
    for durations in ([100] * 40 + [15000] + [100] * 10, [1000] * 10 + [50] * 60):
        images = [Image.fromarray(paint_array(red=(10 + i, 10, 20 + i, 40))) for i in range(len(durations))]
        images[0].save(tmp_path / "v.gif", save_all=True, append_images=images[1:], duration=durations)
        path = str((tmp_path / "v.gif").rename(tmp_path / f"{len(durations)}.avi"))
        starts = np.cumsum([0, *durations]) / 1000
        end, rng = starts[-2], np.random.default_rng(0)
        assert list_frames(path, 1.0)[: int(end) + 1] == [f"{path}#t={second}.000" for second in range(int(end) + 1)]
        for seconds in (np.arange(0, end, 0.5), rng.uniform(0, end, 60).round(3), [end, 3.95, end, end - 0.95, 0.0]):
            expected = [int(np.searchsorted(starts, second + 0.002, "right")) - 1 for second in seconds]
            assert [place_of(read_frame(path, second)) for second in seconds] == expected


def test_seeking_that_misses(tmp_path, monkeypatch):
    class LateCapture:
        def __init__(self, path, make=cv2.VideoCapture):
            self.own = make(path)

        def set(self, key, value):
            return self.own.set(key, value + 1500)

        def __getattr__(self, name):
            return getattr(self.own, name)

    monkeypatch.setattr(cv2, "VideoCapture", LateCapture)
    path = write_video(tmp_path / "walk.avi", 60)
    for second in (12.0, 0.5, 14.5, 2.0, 9.0, 5.25, 5.0):
        assert place_of(read_frame(path, second)) == 4 * second


def test_a_video_that_ends_too_early(tmp_path):
    whole = Path(write_video(tmp_path / "whole.avi", number=40)).read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole[: len(whole) * 3 // 4])
    names = list_frames(str(cut), 1.0)
    found = []
    for name in names:
        try:
            found.append(place_of(read_frame(*split_frame(name))))
        except InputError as error:
            assert str(error).startswith(f"{cut} ends after ") and str(error).endswith("its header tells 10.000")
    assert found == [4 * i for i in range(len(found))] and 3 <= len(found) <= 6 and len(names) == 10


def test_videos_that_are_none_do_not_stop_a_folder(tmp_path):
    (tmp_path / "broken.avi").write_bytes(b"no video")
    write_video(tmp_path / "walk.avi", 4)
    found = list_items(tmp_path, 1.0)
    assert found == [f"{tmp_path / 'broken.avi'}#t=0.000", f"{tmp_path / 'walk.avi'}#t=0.000"]
    with pytest.raises(InputError, match=r"broken\.avi cannot be read as a video"):
        read_frame(*split_frame(found[0]))
    with pytest.raises(InputError, match="fps: expected a number above 0, got 0"):
        list_items(tmp_path, 0)


def test_the_sample_video_of_opencv(samples_root):
    """Its frames are those of PETS 2009 that are there as pictures: frame n at n / 10 seconds."""
    frames = samples_root / "pets09_s2l1/images"
    if not VTEST.is_file() or not frames.is_dir():
        pytest.skip(f"no {VTEST} (Debian's package opencv-doc, or VTEST), or no {frames}")
    names = list_frames(str(VTEST), 2.5)
    assert len(names) == 199 and names[1] == f"{VTEST}#t=0.400"
    for i in (0, 1, 2, 60, 3, 198, 197):
        (number,) = [int(path.stem[-6:]) for path in frames.glob(f"*{4 * i:06d}.jpg")]
        picture = np.asarray(Image.open(frames / f"pets09_{number:06d}.jpg"))[..., ::-1].astype(float)
        assert np.abs(read_frame(*split_frame(names[i])) - picture).mean() < 4
