"""``mmpersonsearch check``: one line a fault, on broken copies of the real sample, and its part before a training."""

import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from dataset_writers import PRW_QUERIES, write_image, write_prw
from mmengine.config import Config
from mmengine.registry import init_default_scope
from scipy.io import loadmat, savemat

from mmpersonsearch.cli import check, config_checks, test, train
from mmpersonsearch.datasets.checks import Split
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.config_files import find_config
from mmpersonsearch.utils.faults import ERROR, WARNING, Faults

BASE = "tdn/tdn_r18ibn_synth_oim-star"


@pytest.fixture
def run(tmp_path, capsys):
    """Runs the command; gives its exit status, and its lines but the last."""

    def run(root, *args, base=BASE, **options):
        values = {"train_dataloader.batch_size": 1, "param_scheduler": "[]", **options}
        for name in ("train", "val", "test"):
            values[f"{name}_dataloader.dataset.data_root"] = root
        options = [f"{key}={value}" for key, value in values.items()]
        with pytest.raises(SystemExit) as ended:
            check.main([find_config(base), "--workers", "0", *args, "--cfg-options", *options])
        lines = capsys.readouterr().out.splitlines()
        lines = [line for line in lines if line.startswith(("error: ", "warning: "))]
        return ended.value.code, lines

    return run


NUM_IDS = {"model.roi_head.reid_head.num_ids": 4}


@pytest.fixture
def sample(samples_root, tmp_path):
    root = tmp_path / "prw"
    shutil.copytree(samples_root / "prw_sample", root)
    for path in [root, *root.rglob("*")]:
        path.chmod(0o755)
    return root


def change_boxes(root, frame, change):
    path = root / "annotations" / f"{frame}.jpg.mat"
    savemat(path, {"box_new": change(loadmat(path)["box_new"])})


def change_queries(root, change):
    path = root / "query_info.txt"
    path.write_text("".join(f"{line}\n" for line in change(path.read_text().split("\n")[:18])))


def to_corners(rows):
    rows[:, 3:] += rows[:, 1:3]
    return rows


def moved(line):
    number, x, *rest = line.split()
    return " ".join([number, str(float(x) + 500), *rest])


def test_the_sample_itself_has_no_fault(run, sample):
    assert run(sample, **NUM_IDS) == (0, [])


def test_twelve_faults_of_the_real_sample_are_twelve_lines(run, sample):
    frames = sample / "frames"
    cut = frames / "c1s1_014601.jpg"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (frames / "c1s1_002401.jpg").unlink()
    (sample / "annotations/c1s1_001051.jpg.mat").unlink()
    savemat(sample / "annotations/c3s1_001626.jpg.mat", {"boxes": np.zeros((1, 5))})
    change_boxes(sample, "c1s1_014776", lambda rows: np.vstack([rows, rows[:1]]))
    change_boxes(sample, "c1s1_014901", lambda rows: np.vstack([rows, [-2, 40, 50, 0, 90]]))
    change_boxes(sample, "c3s1_000551", to_corners)
    change_queries(
        sample,
        lambda lines: [lines[0].replace(lines[0].split()[0], "999", 1), moved(lines[1]), "12 3 4", *lines[3:]],
    )
    options = {"model.roi_head.reid_head.num_ids": 3, "test_evaluator.det_thr": 0.3}
    status, lines = run(sample, **options, **{"model.test_cfg.rcnn.score_thr": 0.5})
    assert status == 1
    expected = [
        "error: train: .*c1s1_001051.jpg.mat does not exist",
        "error: val, test: .*c3s1_001626.jpg.mat has no variable box_new .*only \\['boxes'\\]",
        "error: val, test: .*query_info.txt, line 3: '12 3 4'",
        "error: train: images that cannot be decoded \\(1\\): .*c1s1_014601.jpg \\(image file is truncated",
        "error: val, test: images that do not exist \\(1\\): .*c1s1_002401.jpg",
        "error: model: parts with fewer identities than the 4 of the training set: set num_ids=4 .*num_ids is 3",
        "warning: train: boxes x1, y1, x2, y2 without area, which are skipped \\(1\\): .*c1s1_014901",
        "warning: train: boxes beyond the image, .*corners.* \\(\\d+\\): .*c3s1_000551",
        "warning: train: boxes that an image has twice \\(1\\): .* in 'c1s1_014776'",
        "warning: val, test: queries of a person who has no box in the split \\(1\\): query 0 of person 999",
        "warning: val, test: queries whose box overlaps no box of their person .*query 1 of",
        "warning: test: det_thr 0.3 of PersonSearchMetric cannot act: .* below 0.5",
    ]
    assert len(lines) == 12
    assert [sum(bool(re.match(pattern, line)) for line in lines) for pattern in expected] == [1] * 12


def test_no_images_finds_missing_files_but_decodes_none(run, prw_root):
    (prw_root / "frames/c1s1_000001.jpg").unlink()
    (prw_root / "frames/c2s1_000002.jpg").write_bytes(b"no image")
    status, lines = run(prw_root, "--no-images", **{"model.roi_head.reid_head.num_ids": 3})
    assert status == 1
    assert [line for line in lines if line.startswith("error")] == [
        f"error: train: images that do not exist (1): {prw_root}/frames/c1s1_000001.jpg"
    ]


def test_a_thousand_faults_of_a_kind_are_a_line_with_the_first(run, tmp_path):
    train = {f"c1s1_{i:06d}": [(1, 10, 10, 20, 0), (1, 70, 60, 10, 20)] for i in range(1000)}
    image = tmp_path / "one.jpg"
    write_image(image)
    root = write_prw(tmp_path / "prw", train={"c1s1_000000": train["c1s1_000000"]})
    names = np.empty((1000, 1), dtype=object)
    for i, name in enumerate(train):
        names[i, 0] = name
        if i:
            (root / f"annotations/{name}.jpg.mat").symlink_to(root / "annotations/c1s1_000000.jpg.mat")
            (root / f"frames/{name}.jpg").symlink_to(image)
    savemat(root / "frame_train.mat", {"img_index_train": names})
    _, lines = run(root, "--no-images", **{"model.roi_head.reid_head.num_ids": 1})
    (line,) = [line for line in lines if line.startswith("warning: train")]
    assert line == (
        "warning: train: boxes x1, y1, x2, y2 without area, which are skipped (1000): "
        + ", ".join(f"[10.0, 10.0, 30.0, 10.0] of person 1 in 'c1s1_{i:06d}'" for i in range(3))
        + ", ..."
    )


def test_a_training_set_without_identities(run, tmp_path):
    root = write_prw(tmp_path / "prw", train={"c1s1_000001": [(-2, 10, 20, 30, 70), (-2, 60, 10, 25, 60)]})
    status, lines = run(root, "--no-images", **{"model.roi_head.reid_head.num_ids": 3})
    assert (status, [line for line in lines if "error" in line]) == (
        1,
        ["error: train: none of the 2 persons has an identity"],
    )
    write_prw(tmp_path / "empty", train={"c1s1_000001": []})
    assert "error: train: nobody is annotated" in run(str(tmp_path / "empty"), "--no-images")[1]


def test_a_data_set_that_is_not_there_is_one_line_and_so_is_a_model_that_cannot_be_built(run, tmp_path):
    status, lines = run(tmp_path / "none", "--allow-new-keys", **{"model.roi_head.reid_head.nothing": 1})
    assert status == 1
    assert [line.partition(" does not exist")[0] for line in lines] == [
        f"error: train, val, test: {tmp_path}/none",
        "error: model: cannot be built: TypeError: ReIDHead.__init__() got an unexpected keyword argument 'nothing'",
    ]


def test_starting_weights_of_another_model_are_a_fault(run, prw_root, tmp_path):
    """MMEngine logs what does not fit, and trains."""
    path = tmp_path / "start.pth"
    config = Config.fromfile(find_config(BASE))
    init_default_scope("mmpersonsearch")
    weights = MODELS.build(config.model).state_dict()
    options = {"load_from": path, **NUM_IDS}

    def lines(**changed):
        torch.save(dict(state_dict={**weights, **changed}), path)
        return "\n".join(run(prw_root, **options)[1])

    assert "load_from" not in lines()
    del weights["rpn_head.rpn_conv.weight"]  # heads may be new, or of other sizes
    assert "load_from" not in lines(**{"roi_head.bbox_head.fc_cls.weight": torch.zeros(81, 512)})
    found = lines(**{"backbone.conv1.weight": torch.zeros(8, 3, 7, 7)})
    assert f"load_from {path} does not fit" in found
    assert "backbone.conv1.weight has shape (8, 3, 7, 7), expected (64, 3, 7, 7)" in found
    weights = {"other": torch.zeros(1)}
    assert f"load_from {path} does not fit" in lines()


def test_missing_and_foreign_checkpoints_of_teachers_are_faults(run, prw_root, tmp_path):
    checkpoint = tmp_path / "teacher.pth"
    options = {
        "model.roi_head.reid_head.num_ids": 3,
        "model.roi_head.reid_head.teacher.checkpoint": checkpoint,
        "model.test_cfg.rcnn.score_thr": 0.5,
    }
    status, lines = run(prw_root, "--no-images", base="tdn/tdn_r18ibn_synth", **options)
    assert status == 1
    assert f"error: model: teacher: checkpoint {checkpoint} does not exist" in "\n".join(lines)
    torch.save({"layer.weight": torch.ones(1)}, checkpoint)
    _, lines = run(prw_root, "--no-images", base="tdn/tdn_r18ibn_synth", **options)
    assert f"error: model: teacher: checkpoint {checkpoint} does not fit" in "\n".join(lines)


def test_usage_errors_have_status_2(capsys):
    for argv in (["none.py"], [find_config(BASE), "--workers", "-1"], []):
        with pytest.raises(SystemExit) as ended:
            check.main(argv)
        assert ended.value.code == 2


def test_training_and_testing_stop_at_errors_and_log_warnings(tmp_path, monkeypatch):
    root = write_prw(tmp_path / "prw", queries=[*PRW_QUERIES[:2], (99, 20, 30, 30, 60, "c3s2_000013")])
    config = Config.fromfile(find_config(BASE))
    for name in ("train", "val", "test"):
        config[f"{name}_dataloader"].dataset.data_root = str(root)
    config.model.roi_head.reid_head.num_ids = 2
    logged = []
    monkeypatch.setattr(config_checks, "print_log", lambda line, **kwargs: logged.append(line))
    (root / "annotations/c1s1_000004.jpg.mat").unlink()
    (root / "frames/c1s2_000012.jpg").unlink()
    runner = SimpleNamespace(cfg=config, model=torch.nn.Identity())
    with pytest.raises(ValueError, match=r"(?s)2 faults of .*[.]py.train: .*000004.*not exist.*val: images"):
        config_checks.check_before(runner, ("train", "val"))
    assert [line for line in logged if line.startswith("val")] == [
        "val: queries of a person who has no box in the split (1): query 2 of person 99"
    ]
    with pytest.raises(ValueError, match=r"^[^\n]*[.]py: test: images that do not exist"):
        config_checks.check_before(runner, ("test",))


@pytest.mark.parametrize("tool", [train, test])
def test_commands_check_before_any_work(tool, prw_root, tmp_path, monkeypatch, capsys):
    (prw_root / "frames/c1s2_000012.jpg").unlink()
    checkpoint = tmp_path / "weights.pth"
    torch.save({}, checkpoint)
    monkeypatch.setattr(tool, "use_safe_checkpoint_loader", lambda: None)
    monkeypatch.setattr(
        tool, "ConsoleRunner", SimpleNamespace(from_cfg=lambda cfg: SimpleNamespace(cfg=cfg, model=None))
    )
    options = [f"{name}_dataloader.dataset.data_root={prw_root}" for name in ("train", "val", "test")]
    with pytest.raises(SystemExit) as ended:
        tool.main([find_config(BASE), *([str(checkpoint)] if tool is test else []), "--cfg-options", *options])
    assert ended.value.code == 2
    assert "images that do not exist (1)" in capsys.readouterr().err


def faults_of(config, splits):
    faults = Faults()
    config_checks._check_schedule(config, config_checks._check_batches(config, splits, faults), faults)
    return [*faults.lines(ERROR), *faults.lines(WARNING)]


def images(number):
    ids, sizes = np.zeros(number, np.int64), np.full((number, 2), np.nan)
    names = [str(i) for i in range(number)]
    return [Split("train", True, names, names, sizes, np.arange(number), np.zeros((number, 4)), ids)]


LOADER = dict(batch_size=4, sampler=dict(type="DefaultSampler", shuffle=True))


@pytest.mark.parametrize(
    ("scheduler", "late"),
    [
        (dict(type="MultiStepLR", by_epoch=True, milestones=[2, 9]), None),
        (dict(type="MultiStepLR", by_epoch=True, milestones=[2, 10]), "epoch 10 (1): epoch 10"),
        # Ten epochs of three iterations.
        (dict(type="MultiStepLR", by_epoch=False, milestones=[29]), None),
        (dict(type="MultiStepLR", by_epoch=False, milestones=[30]), "iteration 30 (1): iteration 30"),
        (dict(type="LinearLR", by_epoch=False, begin=0, end=30), None),
        (dict(type="LinearLR", by_epoch=False, begin=0, end=31), "iteration 30 (1): iteration 31"),
        (dict(type="CosineAnnealingLR", by_epoch=False, begin=30), "iteration 30 (1): iteration 30"),
    ],
)
def test_schedules_that_never_come(scheduler, late):
    config = Config(dict(train_cfg=dict(max_epochs=10), train_dataloader=LOADER, param_scheduler=[scheduler]))
    kind = f"schedule: schedules of {scheduler['type']} that training does not reach, it ends with "
    assert faults_of(config, images(11)) == ([] if late is None else [kind + late])


def test_milestones_of_loss_weights_and_of_trainings_in_iterations():
    hook = dict(type="LossWeightScheduleHook", path="a.b", milestones=[(3, 5.0), (25, 1.0)])
    config = Config(dict(train_cfg=dict(max_iters=30), train_dataloader=LOADER, custom_hooks=[hook]))
    assert faults_of(config, images(11)) == [
        "schedule: schedules of LossWeightScheduleHook that training does not reach, it ends with epoch 10 (1): "
        "epoch 25"
    ]


def test_an_epoch_without_a_batch():
    config = Config(dict(train_cfg=dict(max_epochs=10), train_dataloader={**LOADER, "drop_last": True}))
    assert faults_of(config, images(3)) == ["train: an epoch has no batch: drop_last, and fewer images than batch_size"]


@pytest.mark.parametrize(
    ("sampler", "size", "message"),
    [
        (dict(num_ids=2, num_instances=2), 4, None),
        # A config outside the package has its base's scope in each dictionary.
        (dict(num_ids=2, num_instances=2, _scope_="mmpersonsearch"), 4, None),
        (dict(num_ids=4, num_instances=2), 8, "6 images of 3 identities make 0 batches of 4"),
    ],
)
def test_the_pk_sampler_fits_the_crops(tmp_path, sampler, size, message):
    for i in range(6):
        write_image(tmp_path / f"train/{i}.jpg", size=(16, 32))
    (tmp_path / "train.txt").write_text("".join(f"{i}.jpg {i // 2}\n" for i in range(6)))
    loader = Config.fromfile("configs/_base_/datasets/crops.py").train_dataloader
    loader.dataset.data_root = str(tmp_path)
    loader.update(batch_size=size, sampler=dict(type="PKSampler", **sampler))
    init_default_scope("mmpersonsearch")
    config = Config(dict(train_cfg=dict(max_epochs=1), train_dataloader=loader))
    lines = config_checks.check_config(config, None).lines(ERROR)
    assert len(lines) == (message is not None)
    assert message is None or message in lines[0]
    assert config_checks.check_config(config, None).lines(WARNING) == []


def test_missing_crops_name_the_command_that_makes_them(tmp_path):
    loader = Config.fromfile("configs/_base_/datasets/crops.py").train_dataloader
    loader.dataset.data_root = str(tmp_path)
    init_default_scope("mmpersonsearch")
    lines = config_checks.check_config(Config(dict(train_cfg={}, train_dataloader=loader)), None).lines(ERROR)
    assert lines == [
        f'train: file "{tmp_path}/train.txt" does not exist; mmpersonsearch crop makes crops and their list'
    ]


def test_pairs_need_an_identity_in_two_images():
    config = Config(
        dict(
            train_cfg=dict(max_iters=1),
            train_dataloader={**LOADER, "batch_sampler": dict(type="IdentityPairBatchSampler")},
        )
    )
    assert faults_of(config, images(2)) == []
    assert faults_of(config, images(1)) == ["train: IdentityPairBatchSampler: no two images share an identity"]


def test_luts_and_initial_weights_are_compared_with_the_model(run, prw_root, tmp_path):
    lut = tmp_path / "lut.pth"
    name = "model.roi_head.reid_head.loss_id.lut_checkpoint"
    options = {
        "model.roi_head.reid_head.num_ids": 3,
        name: lut,
        "model.init_cfg.checkpoint": tmp_path / "no.pth",
    }
    options["model.init_cfg.type"] = "Pretrained"

    def errors():
        return [
            line
            for line in run(prw_root, "--no-images", base="oim/oim_r18_synth_kd-reid", **options)[1]
            if "error" in line
        ]

    assert [line.partition(" (")[0] for line in errors()] == [
        f"error: model: checkpoint {tmp_path}/no.pth does not exist",
        f"error: model: checkpoint {lut} does not exist",
    ]

    def save(identities):
        meta = dict(dataset_meta=dict(identities=identities))
        torch.save(dict(state_dict={"lut.features": torch.ones(3, 5)}, meta=meta), lut)

    save([3, 7, 932])
    assert "lut.features has shape (3, 5), expected (num_ids, feat_channels) = (3, " in errors()[1]
    torch.save(
        dict(state_dict={"lut.features": torch.ones(3, 5)}, meta=dict(dataset_meta=dict(identities=[3, 7]))), lut
    )
    assert "is of other identities: row 2 is none there and number 932 in the training set" in errors()[1]
