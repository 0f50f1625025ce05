import errno
import os

import pytest

from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.files import digest_files, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_replaces_the_one_before_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "deep" / "figures.json"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert names(path.parent) == ["figures.json"]


@pytest.mark.parametrize("function", ["replace", "write"])
def test_a_full_disk_keeps_the_file_before(function, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "figures.json"
    write_whole(path, b"first")
    monkeypatch.setattr(*((os, "replace", fail) if function == "replace" else ("pathlib.Path.write_bytes", fail)))
    with pytest.raises(InputError, match=rf"^{path} cannot be written: No space left on device, [\d.]+ MiB are free"):
        write_whole(path, b"second")
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["figures.json"]


def test_digests_tell_contents_names_and_order_apart(tmp_path):
    one, other = tmp_path / "a", tmp_path / "b"
    one.write_bytes(b"12")
    other.write_bytes(b"3")
    first = digest_files([one, other])
    assert first.startswith("sha256:") and len(first) == len("sha256:") + 16
    assert digest_files([other, one]) != first
    one.write_bytes(b"1")
    other.write_bytes(b"23")
    assert digest_files([one, other]) != first
    with pytest.raises(FileNotFoundError, match="missing"):
        digest_files([tmp_path / "missing"])
