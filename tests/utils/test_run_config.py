import os

import pytest
from mmengine.config import Config

from mmpersonsearch.utils.run_config import (
    read_config,
    resume_from,
    scale_learning_rate,
    use_mixed_precision,
)


def write_config(folder, text):
    path = folder / "tiny.py"
    path.write_text(text)
    return str(path)


def test_missing_config_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.py does not exist"):
        read_config(str(tmp_path / "absent.py"))


def test_options_are_merged_over_the_file(tmp_path):
    path = write_config(tmp_path, "a = dict(b=1, c=2)\n")
    config = read_config(path, {"a.b": 3})
    assert config.a == dict(b=3, c=2)


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
    ("resume", "expected"),
    [(None, (False, "weights.pth")), ("auto", (True, None)), ("a.pth", (True, "a.pth"))],
)
def test_resume(resume, expected):
    config = Config(dict(resume=False, load_from="weights.pth"))
    resume_from(config, resume)
    assert (config.resume, config.load_from) == expected


def test_mixed_precision():
    config = Config(dict(optim_wrapper=dict(type="OptimWrapper", optimizer=dict(type="SGD"))))
    use_mixed_precision(config, has_accelerator=True)
    assert config.optim_wrapper.type == "AmpOptimWrapper"
    assert config.optim_wrapper.loss_scale == "dynamic"
    use_mixed_precision(config, has_accelerator=True)
    with pytest.raises(ValueError, match="GPU"):
        use_mixed_precision(config, has_accelerator=False)
    config.optim_wrapper.type = "MyWrapper"
    with pytest.raises(ValueError, match=r"optim_wrapper\.type is 'MyWrapper'"):
        use_mixed_precision(config, has_accelerator=True)


def test_learning_rate_is_scaled_only_from_a_known_batch():
    config = Config(dict(auto_scale_lr=dict(enable=False, base_batch_size=4)))
    scale_learning_rate(config)
    assert config.auto_scale_lr.enable
    with pytest.raises(ValueError, match="base_batch_size"):
        scale_learning_rate(Config(dict(a=1)))
