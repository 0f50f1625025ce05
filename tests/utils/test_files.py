import pytest

from mmpersonsearch.utils.files import digest_files, write_whole


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_replaces_the_one_before_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "deep" / "figures.json"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert names(path.parent) == ["figures.json"]


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
