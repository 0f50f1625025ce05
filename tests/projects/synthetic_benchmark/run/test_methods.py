"""The methods that are compared, and where they start from."""

import functools
from pathlib import Path

from mmengine.config import Config

from projects.synthetic_benchmark.run.methods import COMPARISONS, METHODS, weights_config

ROOT = Path(__file__).resolve().parents[4]


def test_names_are_of_one_comparison():
    assert len(METHODS) == sum(len(comparison.methods) for comparison in COMPARISONS)


def test_the_configs_exist():
    for method in METHODS.values():
        for config in (method.config, *method.needs.values()):
            assert (ROOT / config).exists(), config


def test_a_model_that_is_only_tested_is_one_that_is_needed():
    for method in METHODS.values():
        assert method.tests in {None, *method.needs}, method.config
        assert (method.tests == "DETECTOR_CHECKPOINT") == method.is_two_step, method.config


def test_every_method_and_what_it_needs_starts_from_weights_of_its_backbone():
    trained = {method.config for method in METHODS.values() if method.tests is None}
    trained |= {config for method in METHODS.values() for config in method.needs.values()}
    read = functools.cache(lambda config: Config.fromfile(ROOT / config).model.backbone)
    for config in trained:
        source, backbone = read(weights_config(config)), read(config)
        assert source.depth == backbone.depth, config
        assert source.get("ibn_stages", (1, 2, 3)) == backbone.get("ibn_stages", (1, 2, 3)), config
