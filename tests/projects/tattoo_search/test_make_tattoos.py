"""The drawn tattoos: reproducible, in the form that CocoPersonSearchDataset reads, and where they are said to be."""

import dataclasses
import hashlib
import json
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

TOOLS = Path(__file__).resolve().parents[3] / "projects/tattoo_search/tools"
sys.path.insert(0, str(TOOLS))

import make_tattoos  # noqa: E402
from tattoo_drawing import bodies, motifs, photos, tattoos  # noqa: E402

SMALL = {"train_images": 12, "test_images": 15, "train_ids": 4, "test_ids": 3, "queries": 7, "seed": 5}
SIZE = (128, 96)


def arguments(out, **changes):
    values = SMALL | changes
    flat = [part for name, value in values.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    return [*flat, "--size", *map(str, SIZE), "--out", str(out)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp("tattoos") / "set"
    make_tattoos.main(arguments(out))
    return out


def read(root):
    names = ("train", "test", "test_queries", "tattoos")
    return {name: json.loads((root / f"{name}.json").read_text()) for name in names}


def digests(root):
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_seed_decides_the_files(root, tmp_path):
    subprocess.run([sys.executable, str(TOOLS / "make_tattoos.py"), *arguments(tmp_path / "again")], check=True)
    assert digests(tmp_path / "again") == digests(root)
    make_tattoos.main(arguments(tmp_path / "other", seed=6))
    assert not {value for name, value in digests(root).items() if name.endswith(".jpg")} & set(
        digests(tmp_path / "other").values()
    )


def test_counts_and_identities_are_as_asked(root):
    sets = read(root)
    ids = {}
    for split, (num_images, num_ids) in {"train": (12, 4), "test": (15, 3)}.items():
        content = sets[split]
        assert len(content["images"]) == num_images
        assert content["categories"] == [dict(id=1, name="tattoo", supercategory="tattoo")]
        ids[split] = {annotation["person_id"] for annotation in content["annotations"]} - {-1}
        assert len(ids[split]) == num_ids
        assert sets["tattoos"]["counts"][split]["boxes"] == len(content["annotations"])
        assert sets["tattoos"]["counts"][split]["labelled_boxes"] == sum(
            annotation["person_id"] >= 0 for annotation in content["annotations"]
        )
    assert not ids["train"] & ids["test"]
    everything = [annotation["person_id"] for split in ("train", "test") for annotation in sets[split]["annotations"]]
    assert -1 in everything
    assert sets["tattoos"]["parameters"] == SMALL | {"size": list(SIZE)}


def test_boxes_lie_in_their_image_and_an_identity_comes_once_in_it(root):
    shapes = set()
    for split in ("train", "test"):
        content = read(root)[split]
        sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
        for image in content["images"]:
            with Image.open(root / "images" / image["file_name"]) as picture:
                assert picture.size == sizes[image["id"]]
        shapes |= set(sizes.values())
        seen = Counter()
        for annotation in content["annotations"]:
            x, y, w, h = annotation["bbox"]
            assert x >= 0 and y >= 0 and w > 0 and h > 0
            assert x + w <= sizes[annotation["image_id"]][0] and y + h <= sizes[annotation["image_id"]][1]
            assert annotation["category_id"] == 1 and annotation["area"] == w * h
            seen[annotation["image_id"], annotation["person_id"]] += annotation["person_id"] >= 0
        assert max(seen.values()) == 1
    assert shapes == {SIZE, SIZE[::-1]}


def test_every_query_is_annotated_and_has_a_match_in_another_image(root):
    sets = read(root)
    keys = ("image_id", "bbox", "person_id")
    annotations = [{key: annotation[key] for key in keys} for annotation in sets["test"]["annotations"]]
    images = defaultdict(set)
    for query in sets["test_queries"]["queries"]:
        assert query in annotations
        same = {one["image_id"] for one in annotations if one["person_id"] == query["person_id"]}
        assert same - {query["image_id"]}
        assert query["image_id"] not in images[query["person_id"]]
        images[query["person_id"]].add(query["image_id"])
    assert sorted(map(len, images.values())) == [2, 2, 3]


def test_a_tattoo_in_one_photo_alone_is_no_query():
    annotations = [dict(image_id=i, bbox=[0, 0, 9, 9], person_id=number) for i, number in enumerate((3, 4, 4))]
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="test tattoo 3 is seen in 1 photos, expected 2 or more"):
        make_tattoos.choose_queries(annotations, range(3, 5), 2, rng)
    (query,) = make_tattoos.choose_queries(annotations, range(4, 5), 1, rng)
    assert query["person_id"] == 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": -1}, "--seed must be at least 0, got -1"),
        ({"queries": 0}, "--queries must be at least 1, got 0"),
        ({"test_ids": 6}, "--test-images 15 are too few for --test-ids 6"),
        ({"queries": 60}, r"test tattoo \d+ is seen in \d+ photos, expected 20 or more: .*--queries"),
    ],
)
def test_bad_arguments_are_named_and_leave_nothing(tmp_path, changes, words):
    with pytest.raises(SystemExit, match=words):
        make_tattoos.main(arguments(tmp_path / "set", **changes))
    assert not list(tmp_path.iterdir())


def test_small_or_upright_sizes_are_refused(tmp_path):
    for size in (("80", "60"), ("100", "200")):
        with pytest.raises(SystemExit, match=f"--size must be .* got {size[0]} {size[1]}"):
            make_tattoos.main(["--out", str(tmp_path / "set"), "--size", *size])


def test_a_used_folder_is_replaced_by_force_only(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").write_text("keep")
    few = {"train_images": 4, "train_ids": 1, "test_images": 6, "test_ids": 1, "queries": 1}
    with pytest.raises(SystemExit, match="set is not empty; --force"):
        make_tattoos.main(arguments(tmp_path / "set", **few))
    assert (tmp_path / "set" / "mine.txt").read_text() == "keep"
    with pytest.raises(SystemExit, match=r"mine\.txt is not"):
        make_tattoos.main([*arguments(tmp_path / "set", **few), "--force"])
    (tmp_path / "set" / "mine.txt").rename(tmp_path / "mine.txt")
    for seed in ("1", "2"):
        make_tattoos.main([*arguments(tmp_path / "set", **few), "--force", "--seed", seed])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt", "set"]


def plain(kind, **changes):
    return dataclasses.replace(tattoos.Tattoo(1, kind, "none", "outline", 0, 0, 0.06, 3), **changes)


def ink_of(tattoo, radius=40):
    return tattoos.draw_sheet(tattoo, radius)[..., 3] > 0.5


def share_unlike(one, other):
    """Share of the pixels that either of two tattoos inks and not both."""
    return (one ^ other).sum() / (one | other).sum()


@pytest.mark.parametrize("kind", motifs.MOTIFS)
def test_proportions_tell_motifs_of_one_kind_apart_and_all_stay_on_the_sheet(kind):
    sheets = [ink_of(plain(kind, seed=seed)) for seed in range(6)]
    for i, one in enumerate(sheets):
        assert one.any() and not np.concatenate([one[0], one[-1], one[:, 0], one[:, -1]]).any()
        assert min([share_unlike(one, other) for other in sheets[:i]], default=1) > 0.05
    np.testing.assert_array_equal(sheets[0], ink_of(plain(kind, seed=0)))


def test_kinds_ornaments_and_styles_can_be_told_apart():
    for looks in (
        [plain(kind) for kind in motifs.MOTIFS],
        [plain("star", ornament=ornament) for ornament in motifs.ORNAMENTS],
        [plain("star", style=style) for style in ("outline", "solid", "hatched")],
    ):
        sheets = [ink_of(tattoo) for tattoo in looks]
        unlike = [share_unlike(one, other) for i, one in enumerate(sheets) for other in sheets[:i]]
        assert min(unlike) > 0.1
    coloured = tattoos.draw_sheet(plain("star", style="coloured", colour=1), 40)
    np.testing.assert_allclose(coloured[44, 44, :3], tattoos.COLOURS[1], atol=0.01)


def test_look_alikes_differ_in_proportions_alone():
    rng = np.random.default_rng(0)
    one = tattoos.draw_tattoo(rng, 7)
    other = tattoos.draw_look_alike(rng, one)
    unlike = {f.name for f in dataclasses.fields(one) if getattr(one, f.name) != getattr(other, f.name)}
    assert unlike == {"number", "seed", "line"} and other.number == -1


def test_few_inks_serve_many_tattoos():
    drawn = [tattoos.draw_tattoo(np.random.default_rng(i), i) for i in range(400)]
    inks = Counter((tattoo.ink, tattoo.colour if tattoo.style == "coloured" else None) for tattoo in drawn)
    assert inks.most_common(1)[0][1] > 100  # the commonest ink alone leaves a hundred of them


def view(**changes):
    values = dict(
        x=60, y=50, angle=0.0, half_width=30.0, roll=0.0, light=0.0, sleeves=(-np.inf, np.inf),
        cloth=np.zeros((2, 3), np.float32), moles=np.zeros((0, 3)),
    )  # fmt: skip
    return bodies.View(**values | changes)


def body(*places):
    return bodies.Body("arm", 0, 0.0, 0.0, places)


def paint(one, seen, size=(120, 100)):
    light, owner = np.zeros((size[1], size[0], 3), np.float32), np.full(size[::-1], -1)
    areas = bodies.paint_body(light, owner, one, seen, 0)
    return light, owner, areas


def box_of(owner, index=0):
    ys, xs = np.nonzero(owner == index)
    return np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])


def square(along=0.0, around=0.0, radius=0.4, turn=0.0):
    return bodies.Place(plain("runes", style="solid"), along, around, turn, radius)


def test_a_tattoo_lies_where_its_limb_has_it():
    sheet = ink_of(plain("runes", style="solid"), 12)
    ys, xs = np.nonzero(sheet)
    width, height = np.ptp(xs) + 1, np.ptp(ys) + 1
    assert width > 1.5 * height
    # The middle line's tattoo is flat to the camera: as on the sheet, centred at the view's point.
    flat = box_of(paint(body(square()), view())[1])
    assert abs(flat[2] - flat[0] - width) <= 2 and abs(flat[3] - flat[1] - height) <= 2
    np.testing.assert_allclose((flat[:2] + flat[2:]) / 2, (60, 50), atol=2)
    turned = box_of(paint(body(square(turn=np.pi / 2)), view())[1])
    assert abs(turned[2] - turned[0] - height) <= 2 and abs(turned[3] - turned[1] - width) <= 2
    # Half a half width further along an upright limb is 15 pixels down, and the signs run downwards.
    upright = box_of(paint(body(square(along=0.5)), view(angle=np.pi / 2))[1])
    np.testing.assert_allclose((upright[:2] + upright[2:]) / 2, (60, 65), atol=2)
    assert abs(upright[3] - upright[1] - width) <= 2
    # Rolled by an angle it moves by the sine of it, and is seen at a slant.
    rolled = box_of(paint(body(square(turn=np.pi / 2)), view(roll=0.8))[1])
    assert abs((rolled[1] + rolled[3]) / 2 - (50 + 30 * np.sin(0.8))) <= 3
    assert rolled[3] - rolled[1] < 0.8 * width


def test_what_hides_a_tattoo():
    light, owner, areas = paint(body(square()), view())
    assert areas[0] == (owner == 0).sum() > 50
    limb = light.any(axis=2)
    assert limb[50].all() and not limb[15].any() and 58 <= limb[:, 60].sum() <= 62
    # Cloth covers the second half.
    _, half, area = paint(body(square()), view(sleeves=(-np.inf, 0.0)))
    assert area[0] == areas[0] and box_of(half)[2] <= 61 and (half == 0).sum() < 0.7 * areas[0]
    # Another limb lies over it.
    bodies.paint_body(light, owner, body(), view(x=40, angle=np.pi / 2, half_width=20), 1)
    assert not (owner[:, 21:59] == 0).any() and (owner == 0).any()
    # Out of the picture.
    assert paint(body(square(along=9.0)), view())[2].tolist() == [0]


def test_boxes_span_what_is_seen_and_hidden_tattoos_are_left_out():
    owner = np.full((20, 30), -1)
    owner[4:9, 3:13] = 0
    owner[12, 20] = 1
    rows = photos._annotate(owner, [60, 10, 0], [7, 8, 9])
    np.testing.assert_array_equal(rows, [[7, 3, 4, 10, 5]])
    assert photos._annotate(owner, [400, 400], [7, 8]).shape == (0, 5)


def test_bodies_hold_every_identity_once_and_their_tattoos_do_not_overlap():
    drawn = bodies.draw_bodies(np.random.default_rng(1), range(5, 65))
    numbers = [place.tattoo.number for one in drawn for place in one.places]
    assert sorted(numbers) == list(range(5, 65))
    assert {len(one.places) for one in drawn} == {1, 2}
    for one in drawn:
        ends = [(place.along - place.radius, place.along + place.radius) for place in one.places]
        assert all(first[1] < second[0] for first, second in pairwise(ends))


def test_two_photos_of_a_limb_show_the_same_tattoos_in_other_light_and_places():
    drawn = bodies.draw_bodies(np.random.default_rng(2), range(1, 4))
    taken = [photos.draw_photo(photos.Photo(f"{i}.jpg", 0, SIZE, i), drawn) for i in range(6)]
    own = {place.tattoo.number for place in drawn[0].places}
    seen = [set(rows[:, 0].tolist()) - {-1} for _, rows in taken]
    assert all(numbers <= own for numbers in seen) and set().union(*seen) == own
    assert len({picture.mean().round(3) for picture, _ in taken}) == len({rows.tobytes() for _, rows in taken}) == 6
