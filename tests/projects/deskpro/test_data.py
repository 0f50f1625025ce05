"""The data of DeSKPro: names, splits and missing files, and streams that stay aligned under every augmentation."""

import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmpersonsearch.datasets.checks import check_images, read_images, read_splits
from mmpersonsearch.registry import DATA_SAMPLERS, DATASETS, TRANSFORMS
from mmpersonsearch.utils.faults import ERROR, WARNING, Faults
from projects.deskpro.deskpro import ClothesChangingDataset

BODY, FACE = (96, 40), (24, 24)
LOAD = dict(type="LoadStreams", body_size=BODY, face_size=FACE)
AUGMENTATIONS = [
    dict(type="FlipStreams", prob=0.5),
    dict(type="CropStreams", prob=0.5, scale=1.2),
    dict(type="EraseStreams", erase_prob=0.5, fill_color=(104, 116, 124)),
]
PACK = dict(type="PackStreams")
CLOTHES, OTHER = (250, 0, 0), (10, 130, 90)  # RGB


def write(root, split, names, but=(), size=(80, 30)):
    """A picture of each stream and a mask by file name; clothes are red in the body and black in the mask."""
    rng = np.random.default_rng(0)
    for name in names:
        worn = np.zeros(size, bool)
        top, left = rng.integers(0, 20, 2)
        worn[top : top + 45, left : left + 9] = worn[top + 5 : top + 20, :25] = True
        face = rng.integers(0, 256, (20, 18, 3)).astype(np.uint8)
        pictures = {
            "imgs": np.where(worn[..., None], CLOTHES, OTHER).astype(np.uint8),
            "mask": np.where(worn, 0, 255).astype(np.uint8),
            "lr_face": face,
            "hr_face": 255 - face,
        }
        for folder, picture in pictures.items():
            path = root / folder / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if (folder, name) not in but:
                Image.fromarray(picture).save(path)
    return root


def build(root, *augmentations, pack=True, **kwargs):
    steps = [LOAD, *augmentations, *([PACK] if pack else [])]
    kwargs = dict(streams=("body", "face", "restored_face"), load_masks=True, pipeline=steps) | kwargs
    return DATASETS.build(dict(type="ClothesChangingDataset", data_root=str(root), **kwargs))


@pytest.fixture
def train_set(tmp_path):
    return write(tmp_path, "bounding_box_train", [f"{i:03d}_c{i % 2}_{i}.png" for i in range(1, 5)])


@pytest.mark.parametrize(
    "steps",
    [one for n in range(4) for one in itertools.combinations(AUGMENTATIONS, n)],
    ids=lambda steps: "-".join(step["type"] for step in steps) or "none",
)
def test_masks_and_images_stay_aligned_pixel_by_pixel(train_set, steps):
    dataset = build(train_set, *steps)
    np.random.seed(0)
    shapes, erased = set(), 0
    for i in range(40):
        packed = dataset[i % 4]
        body, mask = packed["inputs"]["body"].numpy(), packed["data_samples"].gt_cloth_mask.mask.numpy()
        assert body.shape == (3, *BODY) and mask.shape == (1, *BODY) and mask.dtype == np.uint8
        # Halfway between the clothes' blue and the other's lies the border of both, but for rounding.
        blue = body[0].astype(int)
        fill = (body == np.array([104, 116, 124])[:, None, None]).all(0)
        assert (mask[0][(blue < 43) & ~fill] == 1).all() and (mask[0][(blue > 47) | fill] == 0).all()
        assert mask.sum() > 100 or fill.any()
        shapes.add(mask.tobytes())
        erased += fill.any()
        face, restored = (packed["inputs"][name].numpy().astype(int) for name in ("face", "restored_face"))
        fill = (face == np.array([104, 116, 124])[:, None, None]).all(0)
        assert (abs(face + restored - 255) <= 2)[:, ~fill].all() and (face == restored)[:, fill].all()
    types = {step["type"] for step in steps}
    assert len(shapes) > 4 or not types  # something moved
    assert (erased > 5) == ("EraseStreams" in types)


def test_all_streams_are_mirrored_together(train_set):
    plain, flipped = (build(train_set, dict(type="FlipStreams", prob=prob))[0] for prob in (0.0, 1.0))
    assert not plain["data_samples"].flip and flipped["data_samples"].flip
    for name, image in plain["inputs"].items():
        assert (image.flip(2) == flipped["inputs"][name]).all() and (image != flipped["inputs"][name]).any()


def test_a_crop_is_a_part_of_the_enlarged_image(train_set):
    (crop,) = [TRANSFORMS.build(dict(type="CropStreams", prob=1.0, scale=1.2))]
    rows, columns = np.mgrid[:20, :10]
    ramp = np.stack([10 * rows, 20 * columns, 0 * rows], 2).astype(np.uint8)
    np.random.seed(0)
    corners = set()
    for _ in range(200):
        part = crop(dict(stacks=dict(body=ramp)))["stacks"]["body"]
        assert part.shape == ramp.shape
        steps = np.diff(part[1:-1, 0, 0].astype(int))
        assert abs(steps.mean() - 10 / 1.2) < 0.2  # a pixel of the ramp is 1.2 pixels high
        corners.add(tuple(part[0, 0].tolist()))
    assert len(corners) == 5 * 3  # 24 x 12 leaves 0 to 4 rows and 0 to 2 columns above and left of the crop


def test_names_of_all_sets_are_read(tmp_path):
    names = {"012_c3_7.png": (12, 3), "5_11_0.png": (5, 11), "141_cA_cropped_rgb001.png": (141, 1), "9_C_2.png": (9, 3)}
    dataset = build(write(tmp_path, "bounding_box_train", names))
    entries = [dataset.get_data_info(i) for i in range(len(dataset))]
    found = {entry["img_path"].rpartition("/")[2]: (entry["person_id"], entry["camera_id"]) for entry in entries}
    assert found == names
    assert {entry["person_id"]: entry["gt_label"] for entry in entries} == {5: 0, 9: 1, 12: 2, 141: 3}
    assert dataset.metainfo["num_ids"] == 4 and dataset.metainfo["identities"] == [5, 9, 12, 141]
    sample = dataset[0]["data_samples"]
    assert (sample.gt_label.label.tolist(), sample.person_id, sample.clothes_id) == ([2], 12, -1)


def test_queries_come_before_the_gallery_and_a_missing_face_is_black(tmp_path):
    write(tmp_path, "query", ["1_cB_0.png", "2_cC_0.png"], but=[("lr_face", "2_cC_0.png")])
    write(tmp_path, "bounding_box_test", ["1_cA_0.png", "3_cA_0.png"], but=[("hr_face", "3_cA_0.png")])
    options = dict(split="test", load_masks=False, same_clothes_cameras=((1, 2),))
    with pytest.warns(UserWarning, match=r"1 of 4 images have no face; the first is .*query/2_cC_0.png"):
        dataset = build(tmp_path, streams=("body", "face"), **options)
    samples = [packed["data_samples"] for packed in dataset]
    assert [(s.person_id, s.is_query, s.has_face) for s in samples] == [
        (1, True, True), (2, True, False), (1, False, True), (3, False, True),
    ]  # fmt: skip
    assert [(s.camera_id, s.clothes_id) for s in samples] == [(2, 1), (3, 3), (1, 1), (1, 1)]
    assert [s.gt_label.label.item() for s in samples] == [1, 2, 1, 3]
    assert not any("gt_cloth_mask" in s for s in samples)
    for packed in dataset:
        assert packed["inputs"].keys() == {"body", "face"} and packed["inputs"]["face"].shape == (3, *FACE)
        assert bool(packed["inputs"]["face"].any()) == packed["data_samples"].has_face
    with pytest.warns(UserWarning, match="2 of 4 images have no face"):
        assert not build(tmp_path, **options)[3]["inputs"]["face"].any()  # all or none


def test_what_lacks_a_file_is_left_out_of_training_with_one_warning(tmp_path, recwarn):
    names = [f"{i}_1_{j}.png" for i in (1, 2, 3) for j in range(3)]
    but = [("lr_face", f"1_1_{j}.png") for j in range(3)] + [("mask", "1_1_0.png"), ("mask", "2_1_2.png")]
    write(tmp_path, "bounding_box_train", names, but)
    dataset = build(tmp_path)
    (warning,) = [one for one in recwarn if "ClothesChanging" in str(one.message)]
    words = "4 of 9 images left out of training, with all images of 1 identities: 3 without lr_face, 2 without mask"
    assert words in str(warning.message) and "1_1_0.png" in str(warning.message)
    assert len(dataset) == 5 and dataset.metainfo["identities"] == [2, 3]
    assert {dataset.get_data_info(i)["gt_label"] for i in range(5)} == {0, 1}
    assert len(build(tmp_path, streams=("body",), load_masks=False)) == 9  # bodies alone need neither
    assert len(build(tmp_path, streams=("restored_face",), load_masks=False)) == 9


def test_sets_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"imgs/bounding_box_train does not exist: expected a folder of images"):
        build(tmp_path)
    write(tmp_path, "bounding_box_train", ["1_1_0.png"], but=[("mask", "1_1_0.png")])
    with pytest.raises(ValueError, match="no training image is complete: 1 without mask, of 1"):
        build(tmp_path)
    write(tmp_path, "bounding_box_train", ["cat.png"])
    with pytest.raises(ValueError, match=r"cat\.png: expected a name <person>_c<camera>_<frame>"):
        build(tmp_path)
    for path in (tmp_path / "imgs/bounding_box_train").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match="imgs/bounding_box_train has no images"):
        build(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(split="val"), r"split must be one of \['train', 'test'\], got 'val'"),
        (dict(streams=("body", "foot")), r"streams must be of .*got \['body', 'foot'\]"),
        (dict(streams=()), "streams must be of"),
        (dict(split="test"), "load_masks is for the training split"),
        (dict(streams=("face",)), "load_masks is for the training split with the stream 'body'"),
    ],
)
def test_bad_arguments_are_named(tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        build(tmp_path, **options)


def test_files_that_do_not_fit_are_named(train_set):
    mask = train_set / "mask/bounding_box_train/001_c1_1.png"
    Image.new("L", (30, 70)).save(mask)
    with pytest.raises(ValueError, match=rf"{mask}: expected a mask of its image's size, \(80, 30\), got \(70, 30\)"):
        build(train_set)[0]
    mask.write_bytes(b"")
    with pytest.raises(ValueError, match=f"{mask} cannot be decoded"):
        build(train_set)[0]


def test_is_a_data_set_for_the_sampler(train_set):
    sampler = dict(type="PKSampler", num_ids=2, num_instances=3, seed=0)
    dataset = build(train_set)
    assert isinstance(dataset, ClothesChangingDataset)
    assert len(list(DATA_SAMPLERS.build(dict(sampler, dataset=dataset)))) == 12


def test_files_of_other_kinds_are_counted_once(train_set, recwarn):
    for path in ("imgs/bounding_box_train/Thumbs.db", "mask/bounding_box_train/.DS_Store"):
        (train_set / path).write_bytes(b"")
    assert len(build(train_set)) == 4
    (warning,) = [str(one.message) for one in recwarn if "ClothesChanging" in str(one.message)]
    assert "2 files of bounding_box_train are no jpg or png and are not read; the first is" in warning
    assert "Thumbs.db" in warning


def test_check_decodes_masks_and_faces_too(train_set):
    config = dict(type="ClothesChangingDataset", data_root=str(train_set), streams=("body", "face"), load_masks=True)
    faults, broken = (
        Faults(),
        [str(train_set / folder / "bounding_box_train/001_c1_1.png") for folder in ("lr_face", "mask")],
    )
    for path in broken:
        Path(path).write_bytes(Path(path).read_bytes()[:60])
    with warnings.catch_warnings():
        splits = read_splits(config, "train", True, faults)
    paths = [path for split in splits for path in (*split.paths, *split.other_paths)]
    assert len(paths) == 12 and set(broken) < set(paths)
    check_images(splits, read_images(paths, workers=0), faults)
    (line,) = faults.lines(ERROR)
    assert line.startswith("train: masks or further pictures that cannot be decoded (2): ")
    assert all(path in line for path in broken)


def test_what_the_check_told_is_not_told_again(tmp_path):
    write(tmp_path, "bounding_box_train", ["1_1_0.png", "1_1_1.png"], [("mask", "1_1_0.png")])
    config = dict(type="ClothesChangingDataset", data_root=str(tmp_path), streams=("body",), load_masks=True)
    faults = Faults()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        read_splits(config, "train", True, faults)
        DATASETS.build(dict(config, pipeline=[]))
    assert len(faults.lines(WARNING)) == 1 and caught == []


def test_check_reads_the_set_before_training(tmp_path):
    names = [f"{i}_1_{j}.png" for i in (4, 7, 9) for j in range(2)]
    write(tmp_path, "bounding_box_train", names, [("mask", "4_1_0.png"), ("mask", "9_1_0.png"), ("mask", "9_1_1.png")])
    config = dict(type="ClothesChangingDataset", data_root=str(tmp_path), streams=("body",), load_masks=True)
    faults = Faults()
    (split,) = read_splits(config, "train", True, faults)
    assert split.identities() == [0, 1] and split.person_ids.tolist() == [0, 1, 1]
    assert split.paths == [str(tmp_path / "imgs/bounding_box_train" / name) for name in names[1:4]]
    (line,) = faults.lines(WARNING)
    assert "3 of 6 images left out of training, with all images of 1 identities: 3 without mask" in line
    write(tmp_path, "bounding_box_train", ["cat.png"])
    assert read_splits(config, "train", True, faults) == [] and "cat.png: expected a name" in faults.lines(ERROR)[0]
    faults = Faults()
    read_splits({**config, "split": "test", "load_masks": False}, "test", False, faults)
    assert faults.lines(ERROR)[0].endswith("query does not exist: expected a folder of images")
