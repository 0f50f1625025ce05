import json
import os

import pytest

from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.own_files import OwnFiles, write_whole_folder

MARK = ".drawing.files.json"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def draw(path, *files):
    with write_whole_folder(path, "drawing") as new:
        assert new != path
        for name in files:
            (new / name).parent.mkdir(exist_ok=True)
            (new / name).write_text(name)


def test_a_folder_takes_the_place_of_the_one_before(tmp_path):
    path = tmp_path / "deep" / "set"
    for name in ("first.txt", "second.txt"):
        draw(path, name)
    assert names(path) == [MARK, "second.txt"]
    assert names(path.parent) == ["set"]


def test_an_interrupted_folder_leaves_the_one_before(tmp_path):
    path = tmp_path / "set"
    draw(path, "whole.txt")
    with pytest.raises(KeyboardInterrupt), write_whole_folder(path, "drawing") as new:
        (new / "half.txt").write_text("half")
        raise KeyboardInterrupt
    assert names(path) == [MARK, "whole.txt"]
    assert names(tmp_path) == ["set"]


def add_file(path, elsewhere):
    (path / "images/mine.txt").write_text("mine")
    return path / "images/mine.txt"


def change_file(path, elsewhere):
    (path / "images/a.txt").write_text("mine")
    return path / "images/a.txt"


def add_folder(path, elsewhere):
    (path / "mine").mkdir()
    return path / "mine"


def link_folder(path, elsewhere):
    (path / "elsewhere").symlink_to(elsewhere)
    return path / "elsewhere"


def replace_by_link(path, elsewhere):
    """The same name and content, but the user's."""
    (elsewhere / "a.txt").write_text("images/a.txt")
    (path / "images/a.txt").unlink()
    (path / "images").rmdir()
    (path / "images").symlink_to(elsewhere)
    return path / "images"


def add_pipe(path, elsewhere):
    os.mkfifo(path / "pipe")
    return path / "pipe"


def no_list(path, elsewhere):
    (path / MARK).unlink()
    return path / "images"


@pytest.mark.parametrize(
    "do",
    [add_file, change_file, add_folder, link_folder, replace_by_link, add_pipe, no_list],
    ids=lambda do: do.__name__,
)
def test_nothing_of_others_is_removed(tmp_path, do):
    path, elsewhere = tmp_path / "set", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "theirs.txt").write_text("theirs")
    draw(path, "images/a.txt")
    foreign = do(path, elsewhere)
    before = sorted(tmp_path.rglob("*"))
    for replace in (lambda: draw(path, "images/b.txt"), lambda: OwnFiles(path, "drawing").remove(path)):
        with pytest.raises(InputError, match=f"^{foreign} is not"):
            replace()
        assert sorted(tmp_path.rglob("*")) == before
    assert (elsewhere / "theirs.txt").read_text() == "theirs"


def test_a_file_that_is_added_while_the_folder_is_drawn_stays(tmp_path):
    draw(tmp_path / "set", "a.txt")
    with pytest.raises(InputError, match=r"mine\.txt"), write_whole_folder(tmp_path / "set", "drawing"):
        (tmp_path / "set/mine.txt").write_text("mine")
    assert names(tmp_path / "set") == [MARK, "a.txt", "mine.txt"]


def test_another_tools_folder_is_foreign(tmp_path):
    draw(tmp_path / "set", "a.txt")
    with pytest.raises(InputError, match="set/"), write_whole_folder(tmp_path / "set", "cropping"):
        pass
    assert (tmp_path / "set/a.txt").exists()


def test_a_list_that_is_damaged_or_leads_outside_removes_nothing(tmp_path):
    draw(tmp_path / "set", "a.txt")
    (tmp_path / "mine.txt").write_text("mine")
    mark = tmp_path / "set" / MARK
    mark.write_text(json.dumps({**json.loads(mark.read_text()), "../mine.txt": "", "missing.txt": ""}))
    OwnFiles(tmp_path / "set", "drawing").remove(tmp_path / "set")
    assert names(tmp_path) == ["mine.txt", "set"] and names(tmp_path / "set") == []
    mark.write_text("{")
    with pytest.raises(InputError, match="damaged"):
        OwnFiles(tmp_path / "set", "drawing").check(tmp_path / "set/a.txt")


def test_parts_of_a_folder(tmp_path):
    """What a block changed or made is listed, even if it fails, and what was there before is not."""
    own = OwnFiles(tmp_path, "drawing")
    mine, a, b = (tmp_path / name for name in ("mine.txt", "a.txt", "b"))
    mine.write_text("mine")
    with pytest.raises(KeyboardInterrupt), own.recording(mine, a, b):
        b.mkdir()
        for path in (mine, a, b / "c.txt"):
            path.write_text("new")
        (b / "link").symlink_to(tmp_path)
        raise KeyboardInterrupt
    own.remove()
    own.remove(b)
    assert names(tmp_path) == [MARK, "a.txt", "mine.txt"]
    own.check(a)
    with pytest.raises(InputError, match=r"mine\.txt"):
        own.remove(a, mine)
    assert names(tmp_path) == [MARK, "a.txt", "mine.txt"]
