import os
import sys

import pytest
import torch
from mmengine.config import Config

from mmpersonsearch.cli.run_config import (
    check_untrained,
    find_search_metric,
    read_config,
    read_resumed,
    resume_from,
    scale_learning_rate,
    use_mixed_precision,
    warn_of_changes,
)
from mmpersonsearch.utils.errors import InputError


def write_config(folder, text):
    path = folder / "tiny.py"
    path.write_text(text)
    return str(path)


def test_missing_config_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.py does not exist"):
        read_config(str(tmp_path / "absent.py"))


def test_options_are_merged_over_the_file(tmp_path):
    path = write_config(tmp_path, "model = dict(b=1, c=2)\n")
    config = read_config(path, {"model.b": 3})
    assert config.model == dict(b=3, c=2)


def test_imports_of_a_config_are_found_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "own_parts").mkdir()
    (tmp_path / "own_parts" / "part.py").write_text("VALUE = 3\n")
    path = write_config(tmp_path, "custom_imports = dict(imports=['own_parts.part'])\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    read_config(path)
    assert sys.modules["own_parts.part"].VALUE == 3


@pytest.mark.parametrize(
    ("text", "argument", "expected"),
    [
        ("work_dir = 'own'", "given", "given"),
        ("work_dir = 'own'", None, "own"),
        ("a = 1", None, os.path.join("work_dirs", "tiny")),
    ],
)
def test_work_dir_of_the_command_line_then_of_the_config_then_by_its_name(tmp_path, text, argument, expected):
    assert read_config(write_config(tmp_path, text), work_dir=argument).work_dir == expected


@pytest.mark.parametrize(
    "evaluator",
    [
        "dict(type='PersonSearchMetric', det_thr=0.3)",
        "[dict(type='Other'), dict(type='mmpersonsearch.PersonSearchMetric', det_thr=0.3)]",
    ],
)
def test_the_search_metric_is_found_and_can_be_changed(tmp_path, evaluator):
    config = read_config(write_config(tmp_path, f"test_evaluator = {evaluator}"))
    metric = find_search_metric(config)
    assert metric.det_thr == 0.3
    metric.det_thr = 0.7
    assert "det_thr=0.7" in config.pretty_text


@pytest.mark.parametrize("text", ["a = 1", "test_evaluator = None", "test_evaluator = dict(type='DetectionMetric')"])
def test_a_config_without_search_metric_is_named(tmp_path, text):
    config = read_config(write_config(tmp_path, text))
    with pytest.raises(ValueError, match=r"tiny\.py: expected a PersonSearchMetric or .*in test_evaluator, got "):
        find_search_metric(config)


@pytest.mark.parametrize(
    ("resume", "first", "later"),
    [
        (None, (False, "weights.pth"), (False, "weights.pth")),
        ("auto", (False, "weights.pth"), (True, None)),
        ("a.pth", (True, "a.pth"), (True, "a.pth")),
    ],
)
def test_resume(resume, first, later, tmp_path):
    """A training that has no checkpoint yet starts from the weights of its config, one that has goes on from that."""
    for expected in (first, later):
        config = Config(dict(resume=False, load_from="weights.pth", work_dir=str(tmp_path)))
        resume_from(config, resume)
        assert (config.resume, config.load_from) == expected
        (tmp_path / "last_checkpoint").write_text(str(tmp_path / "iter_1.pth"))


def write_checkpoints(folder):
    """Of two iterations; the config that resumes the second."""
    for i in (1, 2):
        torch.save(dict(meta=dict(iter=i), message_hub={}), folder / f"iter_{i}.pth")
        os.utime(folder / f"iter_{i}.pth", (i, i))
    (folder / "last_checkpoint").write_text(str(folder / "iter_2.pth"))
    config = Config(dict(work_dir=str(folder), load_from=None))
    resume_from(config, "auto")
    return config


def test_a_whole_checkpoint_is_resumed(tmp_path):
    assert read_resumed(write_checkpoints(tmp_path))["meta"]["iter"] == 2
    assert read_resumed(Config(dict(work_dir=str(tmp_path), load_from="a.pth"))) is None


@pytest.mark.parametrize("change", ["cut", "empty", "gone", "weights", "nothing named"])
def test_a_broken_checkpoint_is_named_with_the_one_before(change, tmp_path):
    config, path = write_checkpoints(tmp_path), tmp_path / "iter_2.pth"
    if change == "gone":
        path.unlink()
    elif change == "weights":
        torch.save(dict(state_dict={}), path)
    elif change == "nothing named":
        (tmp_path / "last_checkpoint").write_text("")
    else:
        path.write_bytes(path.read_bytes()[: 200 if change == "cut" else 0])
    with pytest.raises((InputError, FileNotFoundError)) as error:
        read_resumed(config)
    message = str(error.value)
    assert f"{tmp_path}/last_checkpoint names it" in message
    before = "iter_2.pth" if change == "nothing named" else "iter_1.pth"
    assert message.endswith(f"the one before is {tmp_path / before}: --resume {tmp_path / before}")
    assert change == "nothing named" or str(path) in message


def test_a_broken_checkpoint_without_another(tmp_path):
    path = tmp_path / "mine.pth"
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"mine\.pth .*; there is no other$"):
        read_resumed(Config(dict(work_dir=str(tmp_path), load_from=str(path), resume=True)))


@pytest.mark.parametrize(
    ("has_accelerator", "wrapper", "loss_scale"),
    [(True, "AmpOptimWrapper", "dynamic"), (False, "CPUAmpOptimWrapper", None)],
)
def test_mixed_precision(has_accelerator, wrapper, loss_scale):
    config = Config(dict(optim_wrapper=dict(type="OptimWrapper", optimizer=dict(type="SGD"))))
    for _ in range(2):
        use_mixed_precision(config, has_accelerator)
        assert config.optim_wrapper.type == wrapper
        assert config.optim_wrapper.get("loss_scale") == loss_scale
    config.optim_wrapper.type = "MyWrapper"
    with pytest.raises(ValueError, match=rf"optim_wrapper\.type is 'MyWrapper', expected .* or '{wrapper}'"):
        use_mixed_precision(config, has_accelerator)


def test_learning_rate_is_scaled_only_from_a_known_batch():
    config = Config(dict(auto_scale_lr=dict(enable=False, base_batch_size=4)))
    scale_learning_rate(config)
    assert config.auto_scale_lr.enable
    with pytest.raises(ValueError, match="base_batch_size"):
        scale_learning_rate(Config(dict(a=1)))


PK_LOADER = """
train_dataloader = dict(batch_size={size}, sampler=dict(type="PKSampler", num_ids={num_ids}, num_instances=4))
"""


def test_batch_size_follows_from_the_sampler(tmp_path, capsys):
    path = write_config(tmp_path, PK_LOADER.format(size=64, num_ids=16))
    assert read_config(path).train_dataloader.batch_size == 64
    assert capsys.readouterr().out == ""
    assert read_config(path, {"train_dataloader.sampler.num_ids": 6}).train_dataloader.batch_size == 24
    assert "batch_size is 24" in capsys.readouterr().out
    both = {"train_dataloader.sampler.num_ids": 6, "train_dataloader.batch_size": 24}
    assert read_config(path, both).train_dataloader.batch_size == 24
    with pytest.raises(InputError, match=r"batch_size is 32.*num_ids 16 x num_instances 4 = 64"):
        read_config(path, {"train_dataloader.batch_size": 32})


def test_a_work_dir_of_an_earlier_training_is_refused(tmp_path):
    check_untrained(str(tmp_path / "absent"))
    check_untrained(str(tmp_path))
    (tmp_path / "iter_20.pth").touch()  # interrupted before last_checkpoint was written
    with pytest.raises(InputError, match=r"has checkpoints of an earlier training \(.*iter_20\.pth\): --resume"):
        check_untrained(str(tmp_path))


def save_config_of_training(folder, config):
    torch.save({"meta": {"cfg": config.pretty_text}, "message_hub": {}, "state_dict": {}}, folder / "iter_1.pth")
    (folder / "last_checkpoint").write_text(str(folder / "iter_1.pth"))


OPTIMIZER = "optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))\nmax_iters = 5\n"


def test_a_resumed_training_lists_what_differs_and_what_takes_effect(tmp_path, capsys):
    path = write_config(tmp_path, OPTIMIZER)
    save_config_of_training(tmp_path, read_config(path))
    changed = read_config(path, {"optim_wrapper.optimizer.lr": 7.0}, str(tmp_path), allow_new_keys=True)
    changed.max_iters = 9
    changed.resume = False
    warn_of_changes(changed)
    assert capsys.readouterr().err == ""
    changed.resume = True
    warn_of_changes(changed)
    lines = capsys.readouterr().err.splitlines()[1:]
    assert lines == [
        "  max_iters: 5 -> 9 (takes effect)",
        "  optim_wrapper.optimizer.lr: 0.1 -> 7.0 (no effect: the checkpoint's state goes on)",
    ]


def test_a_training_resumed_by_the_same_command_has_nothing_to_list(tmp_path, capsys):
    path = write_config(tmp_path, OPTIMIZER)
    for _ in range(2):
        config = read_config(path, work_dir=str(tmp_path))
        use_mixed_precision(config, has_accelerator=False)
        resume_from(config, "auto")
        warn_of_changes(config)
        assert capsys.readouterr().err == ""
        save_config_of_training(tmp_path, config)
