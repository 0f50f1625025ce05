"""What a run does before its first iteration."""

import yapf.yapflib.yapf_api as yapf_api
from mmengine.config import Config

from mmpersonsearch.engine.console_runner import format_texts_once


def test_a_config_is_formatted_once(monkeypatch):
    """MMEngine asks for the text of a run's config at each log, dump and checkpoint."""
    plain, calls = yapf_api.FormatCode, []
    original = getattr(plain, "original", plain)

    def counting(text, **options):
        calls.append(text)
        return original(text, **options)

    monkeypatch.setattr(yapf_api, "FormatCode", counting)
    config = Config(dict(model=dict(type="A", scales=[4, 8]), name="a long name " * 12))
    expected = config.pretty_text
    format_texts_once()
    format_texts_once()
    assert [config.pretty_text, config.copy().pretty_text] == [expected] * 2
    assert len(calls) == 2
    config.model.type = "B"
    assert config.pretty_text == expected.replace("'A'", "'B'")
    assert len(calls) == 3
