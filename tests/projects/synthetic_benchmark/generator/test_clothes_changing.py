"""The drawn persons who change clothes: reproducible, with masks of their clothes and faces of two resolutions."""

import hashlib
import json
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation

from projects.synthetic_benchmark.generator import clothes_changing as command
from projects.synthetic_benchmark.generator.cameras import draw_cameras
from projects.synthetic_benchmark.generator.wardrobe import change_clothes, draw_wardrobe

SMALL = {"--train-ids": 3, "--test-ids": 2, "--cameras": 6, "--seed": 5}
KEPT = ("width", "stature", "skin", "hair", "hair_style", "face", "build")


def arguments(out, **changes):
    values = SMALL | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    return [*(str(part) for pair in values.items() for part in pair), "--out", str(out)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp("clothes") / "set"
    command.main(arguments(out))
    return out


def digests(root):
    files = sorted(path for path in root.rglob("*.png"))
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_seed_decides_the_files(root, tmp_path):
    for name, seed in (("again", 5), ("other", 6)):
        command.main(arguments(tmp_path / name, seed=seed))
    assert digests(tmp_path / "again") == digests(root)
    bodies = {value for name, value in digests(root).items() if name.startswith("imgs")}
    assert not bodies & set(digests(tmp_path / "other").values())


def test_files_are_named_and_counted_as_deskpro_has_them(root):
    counts = json.loads((root / "clothes.json").read_text())["counts"]
    names = {split: {path.name for path in (root / "imgs" / split).iterdir()} for split in command.SPLITS}
    expected = defaultdict(set)
    for number in range(1, 6):
        for camera in range(1, 7):
            split = "bounding_box_train" if number <= 3 else "query" if camera <= 2 else "bounding_box_test"
            expected[split].add(f"{number:04d}_c{camera}_000.png")
    assert names == expected
    for split, own in names.items():
        assert {path.name for path in (root / "mask" / split).iterdir()} == own
        faces = [{path.name for path in (root / folder / split).iterdir()} for folder in ("lr_face", "hr_face")]
        assert faces[0] == faces[1] and faces[0] <= own
        assert counts[split] == dict(images=len(own), faces=len(faces[0]))
    some = next((root / "lr_face/query").iterdir()).name
    folders = ("imgs", "mask", "lr_face", "hr_face")
    sizes = {folder: Image.open(root / folder / "query" / some).size for folder in folders}
    assert sizes == dict(imgs=(64, 128), mask=(64, 128), lr_face=(32, 32), hr_face=(32, 32))


def test_a_person_keeps_face_hair_and_build_and_changes_clothes():
    wardrobe = draw_wardrobe(np.random.default_rng(1), range(20), 4)
    faces = set()
    for number in range(20):
        persons = [wardrobe[camera][number] for camera in range(4)]
        for name in (*KEPT, "number"):
            assert len({getattr(who, name) for who in persons}) == 1
        assert len({(who.top, who.bottom, who.pattern, who.bottom_kind, who.bag) for who in persons}) == 4
        faces.add(persons[0].face)
    assert len(faces) == 20


def test_each_image_shows_other_clothes(tmp_path, monkeypatch):
    seen, draw_one = defaultdict(list), command.draw_sighting

    def spy(who, *args):
        seen[who.number].append(who)
        return draw_one(who, *args)

    monkeypatch.setattr(command, "draw_sighting", spy)
    command.main(arguments(tmp_path / "set"))
    assert len(seen) == 5
    for pictures in seen.values():
        assert len({tuple(getattr(who, name) for name in KEPT) for who in pictures}) == 1
        assert len({(who.top, who.bottom, who.pattern, who.bottom_kind, who.bag) for who in pictures}) == 6


def test_persons_fill_their_images(root):
    for path in (root / "mask/bounding_box_train").iterdir():
        rows = np.flatnonzero((np.asarray(Image.open(path)) == 0).any(1))  # shoulders to shoes
        assert rows[0] < 0.25 * 128 and rows[-1] > 0.9 * 128


def draw(who, camera, seed=0, size=(128, 64), face_size=32):
    return command.draw_sighting(who, camera, np.random.default_rng(seed), size, face_size)


@pytest.fixture(scope="module")
def camera():
    (one, _) = draw_cameras(np.random.default_rng(1), 2, (192, 256))
    return replace(one, blur=0.0, noise=0.0)


def test_masks_are_where_clothes_are(camera):
    """Another dye changes the pixels of the mask, and no others but those on its border."""
    rng = np.random.default_rng(0)
    for seed in range(6):
        who = replace(draw_wardrobe(rng, range(1), 1)[0][0], pattern="plain", top=0, bottom=0, shoes=0)
        one = draw(who, camera, seed)
        dyed = draw(replace(who, top=1, bottom=5, shoes=1, bag_color=(who.bag_color + 2) % 5), camera, seed)
        worn = one["mask"] == 0
        assert set(np.unique(one["mask"])) == {0, 255} and (one["mask"] == dyed["mask"]).all() and worn.mean() > 0.05
        changed = abs(one["imgs"].astype(int) - dyed["imgs"]).sum(2) > 12
        assert (changed & ~binary_dilation(worn)).sum() <= 0.01 * worn.sum()  # a strap may be thinner than a pixel
        assert (changed & worn).sum() > 0.95 * worn.sum()


def test_faces_tell_persons_apart_when_they_are_sharp(camera):
    """Who differs by the face alone differs more where it is sharp; other clothes leave the face as it is."""
    rng, seen = np.random.default_rng(0), replace(camera, blur=0.45)
    seeds = [seed for seed in range(12) if "lr_face" in draw(draw_wardrobe(rng, range(1), 1)[0][0], seen, seed)]
    unlike = dict(lr_face=[], hr_face=[])
    for seed in seeds:
        one, other = (draw_wardrobe(rng, range(1), 1)[0][0] for _ in range(2))
        pictures = [draw(who, seen, seed) for who in (one, replace(one, face=other.face), change_clothes(rng, one))]
        for folder, values in unlike.items():
            first, second, redressed = (picture[folder].astype(float)[:24] for picture in pictures)
            values.append(abs(first - second).mean())
            assert abs(first - redressed).mean() < 1
    assert len(seeds) > 6
    assert np.mean(unlike["hr_face"]) > 1.2 * np.mean(unlike["lr_face"]) > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": -1}, "--seed must be at least 0, got -1"),
        ({"cameras": 2}, "--cameras must be 3 to 99, got 2"),
        ({"face_size": 4}, "--face-size must be at least 8, got 4"),
    ],
)
def test_bad_arguments_are_named_and_leave_nothing(tmp_path, changes, words):
    with pytest.raises(SystemExit, match=words):
        command.main(arguments(tmp_path / "set", **changes))
    assert not list(tmp_path.iterdir())


def test_a_used_folder_is_replaced_by_force_only(tmp_path):
    with pytest.raises(SystemExit, match="--size must be H >= 2 W and W >= 16 pixels, got 64 64"):
        command.main([*arguments(tmp_path / "set"), "--size", "64", "64"])
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("keep")
    with pytest.raises(SystemExit, match="set is not empty; --force"):
        command.main(arguments(tmp_path / "set"))
    with pytest.raises(SystemExit, match=r"mine\.txt is not"):
        command.main([*arguments(tmp_path / "set", train_ids=1, test_ids=1, cameras=3), "--force"])
