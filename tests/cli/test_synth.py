"""The synthetic set: reproducible, in PRW's layout, and what it promises about persons, groups and queries."""

import dataclasses
import hashlib
import json
import math
import re
import subprocess
import sys
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from mmpersonsearch.cli import synth
from mmpersonsearch.cli.generator import cameras, drawing, identities, scenes

SMALL = {
    "--train-scenes": 24, "--test-scenes": 30, "--train-ids": 8, "--test-ids": 7,
    "--queries": 15, "--cameras": 3, "--persons": 3, "--seed": 5,
}  # fmt: skip
SIZE = (160, 96)


def arguments(out, **changes):
    values = SMALL | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    flat = [str(part) for pair in values.items() for part in pair]
    return [*flat, "--size", *map(str, SIZE), "--out", str(out)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp("synth") / "set"
    synth.main(arguments(out, workers=1))
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
    command = [sys.executable, "-m", "mmpersonsearch", "synth", *arguments(tmp_path / "again", workers=2)]
    subprocess.run(command, check=True, capture_output=True)
    assert digests(tmp_path / "again") == digests(root)


def test_another_seed_gives_another_set(root, tmp_path):
    synth.main(arguments(tmp_path / "other", workers=1, seed=6))
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
        synth.main(arguments(tmp_path / "set", **({"workers": 1} | changes)))
    assert not list(tmp_path.iterdir())


def test_small_or_upright_frames_are_refused(tmp_path):
    for size in (("80", "60"), ("100", "200")):
        with pytest.raises(SystemExit, match=f"--size must be .* got {size[0]} {size[1]}"):
            synth.main(["--out", str(tmp_path / "set"), "--size", *size])


def test_a_used_folder_is_replaced_by_force_only(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("keep")
    few = {"train_scenes": 8, "train_ids": 2, "test_scenes": 12, "test_ids": 2, "queries": 2, "workers": 1}
    with pytest.raises(SystemExit, match="set is not empty; --force"):
        synth.main(arguments(tmp_path / "set", **few))
    assert (tmp_path / "set" / "mine.txt").read_text() == "keep"
    synth.main([*arguments(tmp_path / "set", **few), "--force"])
    assert not (tmp_path / "set" / "mine.txt").exists()
    assert (tmp_path / "set" / "synth.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def planned(num_ids=60, count=200, num_cameras=6, persons=4.0):
    rng = np.random.default_rng(3)
    groups = scenes.draw_groups(rng, range(1, num_ids + 1))
    return groups, scenes.plan_scenes(rng, groups, count, 1, num_cameras, persons)


def test_groups_partition_the_identities_and_walk_together():
    groups, plan = planned()
    assert sorted(number for group in groups for number in group) == list(range(1, 61))
    assert {len(group) for group in groups} <= {1, 2, 3, 4}
    there = np.zeros((len(plan), 61), bool)
    for i, scene in enumerate(plan):
        there[i, [number for group in scene.groups for number in group]] = True
    pairs = [(a, b) for group in groups for a in group for b in group if a != b]
    together = np.mean([there[there[:, a], b].mean() for a, b in pairs])
    # A member comes with probability 0.85 when the group does, a stranger with about 3 of 60.
    assert 0.78 < together < 0.95
    assert there[:, 1:].mean() < 0.07


def test_plan_holds_the_mean_number_of_persons_and_spreads_groups_over_cameras():
    _, plan = planned()
    counts = [sum(map(len, scene.groups)) + scene.num_passers_by for scene in plan]
    assert abs(np.mean(counts) - 4.0) < 0.25
    assert min(sum(map(len, scene.groups)) for scene in plan) >= 1
    sightings = defaultdict(list)
    for scene in plan:
        for number in {number for group in scene.groups for number in group}:
            sightings[number].append(scene.camera)
    assert min(map(len, sightings.values())) >= 3 and len(sightings) == 60
    assert min(len(set(seen)) for seen in sightings.values()) >= 2


def test_nobody_comes_twice_in_a_scene_however_few_the_groups():
    for scene in planned(num_ids=7, count=60, persons=9.0)[1]:
        present = [number for group in scene.groups for number in group]
        assert len(set(present)) == len(present)


def test_queries_need_a_sighting_in_another_camera():
    def truth_of(*names):
        plan = [scenes.Scene(name, int(name[1]) - 1, ((1,),), 0, 0) for name in names]
        world = synth.World([], {"test": {1: None}}, {}, {"test": plan})
        return world, {name: np.array([[1.0, 2, 3, 4, 5]]) for name in names}

    rng = np.random.default_rng(0)
    assert len(synth.choose_queries(*truth_of("c1s1_000001", "c2s1_000002"), 2, rng)) == 2
    for names in (("c1s1_000001", "c1s1_000002"), ("c1s1_000001",)):
        with pytest.raises(ValueError, match=f"test identity 1 is seen in {len(names)} frames"):
            synth.choose_queries(*truth_of(*names), 1, rng)


def test_twins_differ_by_their_cue_alone():
    who = {i.number: i for i in identities.draw_identities(np.random.default_rng(0), range(1, 101))}
    assert sorted(who) == list(range(1, 101))
    twins = [i for i in who.values() if i.twin is not None]
    assert len(twins) == 50
    assert {i.cue for i in twins} == set(identities.FINE_CUES)
    for one in twins:
        other = who[one.twin]
        assert other.twin == one.number and other.cue == one.cue
        unlike = {f.name for f in dataclasses.fields(one) if getattr(one, f.name) != getattr(other, f.name)}
        assert unlike == {"number", "twin", "bag" if one.cue == "bag" else "pattern"}
    looks = {tuple(v for k, v in dataclasses.asdict(i).items() if k not in ("number", "twin")) for i in who.values()}
    assert len(looks) == 100


def share_unlike(one, other, facing):
    """Share of a person's pixels that show the two unlike, at 100 pixels' height."""
    pose = drawing.Pose(facing=facing, phase=0.5, stride=0.5, shade=1.0, slant=0.0)
    a, b = (drawing.draw_person(identity, pose, 100) for identity in (one, other))
    unlike = np.abs(a.rgb * a.alpha[..., None] - b.rgb * b.alpha[..., None]).max(axis=-1) > 0.2
    return unlike.sum() / (a.alpha > 0.5).sum()


def test_twins_can_be_told_apart_on_a_small_crop():
    who = {i.number: i for i in identities.draw_identities(np.random.default_rng(1), range(1, 81))}
    for one in who.values():
        if one.twin is not None:
            assert share_unlike(one, who[one.twin], facing=0.3) > 0.01, (one, who[one.twin])


@pytest.mark.parametrize("facing", [0.0, 0.6, math.pi, math.pi / 2])
def test_patterns_can_be_told_apart_from_all_sides(facing):
    plain = dataclasses.replace(identities.draw_identity(np.random.default_rng(0), 1), bag="none", hair_style="short")
    worn = [dataclasses.replace(plain, pattern=pattern) for pattern in identities.PATTERNS]
    for i, one in enumerate(worn):
        for other in worn[:i]:
            assert share_unlike(one, other, facing) > 0.01, (one.pattern, other.pattern)


def test_look_alikes_wear_the_same_colours_in_another_pattern():
    rng = np.random.default_rng(2)
    for _ in range(20):
        one = identities.draw_identity(rng, 7)
        other = identities.draw_look_alike(rng, one)
        assert other.number == -2
        assert (other.top, other.bottom) == (one.top, one.bottom) and other.pattern != one.pattern


def test_a_person_is_as_high_as_asked_and_stands_on_the_foot_point():
    rng = np.random.default_rng(4)
    for facing in np.linspace(-math.pi, math.pi, 7):
        who = dataclasses.replace(identities.draw_identity(rng, 1), hair_style="short")
        sprite = drawing.draw_person(who, drawing.Pose(facing, 0.0, 0.0, 1.0, 0.0), 120)
        ys, xs = np.nonzero(sprite.alpha > 0.5)
        assert abs(np.ptp(ys) + 1 - 120) < 5
        assert abs(ys.max() - sprite.foot[1]) < 3
        assert xs.min() < sprite.foot[0] < xs.max()


def test_box_spans_what_is_seen_and_hidden_persons_are_left_out():
    def block(width, height):
        ones = np.ones((height, width), np.float32)
        return drawing.Sprite(np.repeat(ones[..., None], 3, axis=2), ones, (0, height - 1))

    light, owner = np.zeros((40, 60, 3), np.float32), np.full((40, 60), -1)
    scenes._paste(light, owner, block(10, 20), 5, 24, 0)  # x 5..14, y 5..24
    scenes._paste(light, owner, block(10, 20), 55, 24, 1)  # half of it is out of the frame
    scenes._paste(light, owner, block(10, 20), 30, 24, 2)
    scenes._paste(light, owner, block(30, 13), 0, 27, 4)  # hides y 15..24 of the first: half
    scenes._paste(light, owner, block(7, 25), 30, 29, 5)  # hides 7 of 10 columns of the third
    areas = np.array([200, 200, 200])
    rows = scenes._annotate(owner, areas, [11, 12, 13])
    np.testing.assert_array_equal(rows, [[11, 5, 5, 10, 10], [12, 55, 5, 5, 20]])


def test_perspective_is_inverted_exactly():
    camera = cameras.draw_cameras(np.random.default_rng(0), 2, SIZE)[1]
    for height in (0.21, 0.4, 0.78):
        assert camera.height(camera.foot(height)) == pytest.approx(height)


def test_cameras_see_the_same_thing_unlike_but_keep_bright_and_dark_apart():
    seen = cameras.draw_cameras(np.random.default_rng(0), 6, SIZE)
    rng = np.random.default_rng(1)
    card = np.full((30, 30, 3), 0.5, np.float32)
    greys = np.array([camera.shoot(card, rng).mean(axis=(0, 1)) for camera in seen])
    gaps = np.linalg.norm(greys[:, None] - greys[None], axis=-1)
    assert gaps[~np.eye(6, dtype=bool)].min() > 5  # of 255
    for camera in seen:
        dark, bright = (camera.shoot(np.full_like(card, level), rng).mean() for level in (0.1, 0.9))
        assert bright - dark > 80
