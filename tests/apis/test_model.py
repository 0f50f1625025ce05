import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from tiny_models import CONFIGS

from mmpersonsearch.apis import build_model
from mmpersonsearch.registry import MODELS
from mmpersonsearch.utils.errors import InputError

DISTILLED = CONFIGS / "oim/oim_r18_prw_kd-det-reid.py"
NO_WEIGHTS = {"model.backbone.init_cfg": None, "model.roi_head.shared_head.init_cfg": None}


def test_a_model_by_name_by_file_and_by_config():
    config = Config.fromfile(DISTILLED)
    before = copy.deepcopy(config.to_dict())
    for one in (DISTILLED.stem, DISTILLED, str(DISTILLED), config):
        model = build_model(one, cfg_options=NO_WEIGHTS)
        assert type(model).__name__ == "PersonSearchDetector" and not model.training  # KD_det's teacher is left out
        assert model.roi_head.reid_head.teacher is None
    assert config.to_dict() == before  # the caller's config is not changed


def test_a_trained_models_checkpoint_fills_it(tmp_path):
    config = Config.fromfile(DISTILLED)
    config.merge_from_dict(NO_WEIGHTS)
    with DefaultScope.overwrite_default_scope("mmpersonsearch"):
        trained = MODELS.build(config.model)
    path = str(tmp_path / "trained.pth")
    state = {key: torch.rand_like(v) if v.is_floating_point() else v for key, v in trained.state_dict().items()}
    torch.save(dict(state_dict=state), path)
    model = build_model(config, path)
    assert [key for key, value in model.state_dict().items() if not torch.equal(value, state[key])] == []
    del state["backbone.conv1.weight"]
    torch.save(dict(state_dict=state), path)
    with pytest.raises(InputError, match=r"trained\.pth does not fit PersonSearchDetector: backbone\.conv1\.weight is"):
        build_model(config, path)


def test_what_does_not_exist_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="config file nothing_r18 does not exist"):
        build_model("nothing_r18")
    with pytest.raises(FileNotFoundError, match=r"no\.pth does not exist"):
        build_model(DISTILLED.stem, str(tmp_path / "no.pth"), cfg_options=NO_WEIGHTS)
