"""The synthetic set: reproducible, in PRW's layout, and what it promises about persons, groups and queries."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from projects.synthetic_benchmark.generator import __main__ as command
from projects.synthetic_benchmark.generator import mini, synthetic_set

SMALL = {
    "--train-scenes": 24, "--test-scenes": 30, "--train-ids": 8, "--test-ids": 7,
    "--queries": 15, "--cameras": 3, "--persons": 3, "--seed": 5,
}  # fmt: skip
SIZE = (160, 96)
ROOT = Path(__file__).resolve().parents[4]


def arguments(out, **changes):
    values = SMALL | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    flat = [str(part) for pair in values.items() for part in pair]
    return [*flat, "--size", *map(str, SIZE), "--out", str(out)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp("synth") / "set"
    command.main(arguments(out, workers=1))
    return out


def read(root):
    """A reader of its own: {split: {frame: rows}}, identities of each split, queries as tuples of strings."""
    frames, ids = {}, {}
    for split, key in (("train", "ID_train"), ("test", "ID_test2")):
        cells = loadmat(root / f"frame_{split}.mat")[f"img_index_{split}"]
        assert cells.dtype == object and cells.shape == (len(cells), 1)
        names = [cell[0].item() for cell in cells]
        frames[split] = {name: loadmat(root / f"annotations/{name}.jpg.mat")["box_new"] for name in names}
        ids[split] = loadmat(root / f"ID_{split}.mat")[key].ravel().astype(int).tolist()
    text = (root / "query_info.txt").read_bytes().decode()
    assert text.endswith("\r\n") and text.count("\r\n") == text.count("\n")
    return frames, ids, [line.split(" ") for line in text.split("\r\n")[:-1]]


def digests(root):
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_same_seed_gives_the_same_files_whatever_the_workers(root, tmp_path):
    module = command.PROG.split()[-1]
    drawing = [sys.executable, "-m", module, *arguments(tmp_path / "again", workers=2)]
    subprocess.run(drawing, check=True, capture_output=True, cwd=ROOT)
    assert digests(tmp_path / "again") == digests(root)


def test_another_seed_gives_another_set(root, tmp_path):
    command.main(arguments(tmp_path / "other", workers=1, seed=6))
    first, other = digests(root), digests(tmp_path / "other")
    pictures = [name for name in first if name.endswith(".jpg")]
    assert not {first[name] for name in pictures} & set(other.values())


def test_counts_are_as_asked(root):
    frames, ids, queries = read(root)
    assert {split: len(names) for split, names in frames.items()} == {"train": 24, "test": 30}
    assert {split: len(numbers) for split, numbers in ids.items()} == {"train": 8, "test": 7}
    assert len(queries) == 15
    names = [name for split in frames.values() for name in split]
    assert sorted(names) == sorted(path.stem for path in (root / "frames").iterdir())
    assert sorted(names) == sorted(path.name[: -len(".jpg.mat")] for path in (root / "annotations").iterdir())
    assert all(re.fullmatch(r"c[1-3]s1_\d{6}", name) for name in names)
    for split in frames.values():  # every camera is in both splits
        assert {name[1] for name in split} == {"1", "2", "3"}
    assert Image.open(root / "frames" / f"{names[0]}.jpg").size == SIZE


def test_facts_agree_with_the_files(root):
    frames, _, queries = read(root)
    facts = json.loads((root / "synth.json").read_text())
    assert facts["parameters"]["seed"] == 5 and facts["parameters"]["size"] == list(SIZE)
    assert "workers" not in facts["parameters"] and "out" not in facts["parameters"]
    for split, names in frames.items():
        rows = np.concatenate(list(names.values()))
        assert facts["counts"][split]["boxes"] == len(rows)
        assert facts["counts"][split]["labelled_boxes"] == int((rows[:, 0] > 0).sum())
    assert facts["counts"]["test"]["queries"] == len(queries)


def test_identities_of_the_splits_are_apart(root):
    frames, ids, _ = read(root)
    assert not set(ids["train"]) & set(ids["test"])
    for split, names in frames.items():
        seen = {int(row[0]) for rows in names.values() for row in rows}
        assert seen - {-2} == set(ids[split])
        assert -2 in seen


def test_boxes_lie_in_the_frame_and_identities_come_once_a_frame(root):
    frames, _, _ = read(root)
    for rows in (rows for split in frames.values() for rows in split.values()):
        assert rows.shape[1] == 5
        assert (rows[:, 1:3] >= 0).all() and (rows[:, 3:] > 0).all()
        assert (rows[:, 1:3] + rows[:, 3:] <= SIZE).all()
        labelled = rows[rows[:, 0] > 0, 0]
        assert len(set(labelled)) == len(labelled)


def test_every_query_is_annotated_and_has_a_match_in_another_frame_and_camera(root):
    frames, ids, queries = read(root)
    asked = defaultdict(set)
    for number, *box, name in queries:
        rows = frames["test"][name]
        own = rows[rows[:, 0] == int(number)]
        np.testing.assert_allclose(own[0, 1:], np.array(box, dtype=float), atol=1e-4)
        seen = [frame for frame, rows in frames["test"].items() if int(number) in rows[:, 0] and frame != name]
        assert seen
        assert {frame[:2] for frame in [*seen, name]} != {name[:2]}
        assert name not in asked[number]
        asked[number].add(name)
    assert sorted(map(int, asked)) == sorted(ids["test"])
    assert sorted(map(len, asked.values())) == [2, 2, 2, 2, 2, 2, 3]


def test_the_mini_protocol_has_one_query_an_identity_and_scenes_of_its_own(root):
    frames, ids, queries = read(root)
    lines = (root / mini.QUERIES).read_text().splitlines()
    assert [int(line.split()[0]) for line in lines] == sorted(ids["test"])
    assert {tuple(line.split()) for line in lines} <= set(map(tuple, queries))
    galleries = [line.split() for line in (root / mini.GALLERIES).read_text().splitlines()]
    for line, names in zip(lines, galleries, strict=True):
        number, *_, own = line.split()
        shown = {name for name, rows in frames["test"].items() if int(number) in rows[:, 0]} - {own}
        assert len(names) == len(set(names)) == 29 and own not in names
        assert shown == shown & set(names) or len(shown & set(names)) == mini.SIZE // 2
    assert len({tuple(names) for names in galleries}) == len(galleries)


def test_a_set_without_the_mini_protocol_gets_the_same(root, tmp_path):
    copy = Path(shutil.copytree(root, tmp_path / "set"))
    (copy / mini.GALLERIES).unlink()
    for _ in range(2):
        mini.main([str(copy)])
    assert digests(copy) == digests(root)
    command.main([*arguments(copy, workers=1), "--force"])  # nothing in it is foreign


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cameras": 1}, "--cameras must be 2 to 9.*got 1"),
        ({"cameras": 10}, "--cameras must be 2 to 9.*got 10"),
        ({"seed": -1}, "--seed must be at least 0, got -1"),
        ({"queries": 0}, "--queries must be at least 1, got 0"),
        ({"workers": 0}, "--workers must be at least 1, got 0"),
        ({"persons": 0.5}, "--persons must be 1 to 12, got 0.5"),
        ({"persons": "nan"}, "--persons must be 1 to 12, got nan"),
        ({"test_ids": 50}, "--test-scenes 30 are too few for --test-ids 50"),
        ({"train_scenes": 3}, "--train-scenes 3 are too few for --train-ids 8"),
        ({"queries": 210}, r"test identity \d+ is seen in \d+ frames, expected 30 .*--queries"),
    ],
)
def test_bad_arguments_are_named_and_leave_nothing(tmp_path, changes, words):
    with pytest.raises(SystemExit, match=words):
        command.main(arguments(tmp_path / "set", **({"workers": 1} | changes)))
    assert not list(tmp_path.iterdir())


def test_small_or_upright_frames_are_refused(tmp_path):
    for size in (("80", "60"), ("100", "200")):
        with pytest.raises(SystemExit, match=f"--size must be .* got {size[0]} {size[1]}"):
            command.main(["--out", str(tmp_path / "set"), "--size", *size])


def test_a_used_folder_is_replaced_by_force_only(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("keep")
    few = {"train_scenes": 8, "train_ids": 2, "test_scenes": 12, "test_ids": 2, "queries": 2, "workers": 1}
    with pytest.raises(SystemExit, match="set is not empty; --force"):
        command.main(arguments(tmp_path / "set", **few))
    assert (tmp_path / "set" / "mine.txt").read_text() == "keep"
    with pytest.raises(SystemExit, match=r"mine\.txt is not"):
        command.main([*arguments(tmp_path / "set", **few), "--force"])
    (tmp_path / "set" / "mine.txt").rename(tmp_path / "mine.txt")
    for seed in ("1", "2"):
        command.main([*arguments(tmp_path / "set", **few), "--force", "--seed", seed])
    assert (tmp_path / "set" / "synth.json").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt", "set"]


def test_persons_change_clothes_between_cameras_if_asked_to(root):
    args = command.parse_args([*arguments("unused"), "--change-clothes"])
    world = synthetic_set.draw_world(args)
    for split, wardrobe in world.wardrobes.items():
        assert sorted(wardrobe) == [0, 1, 2] and len(wardrobe[0]) == len(world.identities(split))
        for number in wardrobe[0]:
            persons = [wardrobe[camera][number] for camera in range(3)]
            assert len({(who.face, who.hair, who.hair_style, who.skin, who.width) for who in persons}) == 1
            assert len({(who.top, who.pattern, who.bottom, who.bottom_kind) for who in persons}) == 3
    assert synthetic_set._parameters(args)["change_clothes"]
    plain = json.loads((root / "synth.json").read_text())["parameters"]
    assert "change_clothes" not in plain  # a set of before is the same file
    synthetic_set._start_worker(world, root)
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic_set, "draw_scene", lambda scene, camera, persons: drawn.append(persons) or (None, None))
        patch.setattr(synthetic_set.prw_layout, "write_frame", lambda *args: None)
        for i in range(6):
            synthetic_set._draw_frame(("test", i))
    assert drawn == [world.wardrobes["test"][scene.camera] for scene in world.scenes["test"][:6]]
