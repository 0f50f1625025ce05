import pytest

from mmpersonsearch.cli import configs
from mmpersonsearch.utils.config_files import list_configs


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ([], 200),
        (["two_step"], 0),
        (["bot_r50ibn_synth"], 1),
        (["fdps_r50_prw_boim"], 3),
        (["fdps_r50_prw_boim*"], 3),
        (["fdps_*_prw"], 1),
    ],
)
def test_names_are_listed_by_part_or_wildcards(pattern, expected, capsys):
    if expected == 0:
        with pytest.raises(SystemExit, match="mmpersonsearch configs: no name matches 'two_step'"):
            configs.main(pattern)
        return
    configs.main(pattern)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == expected or (not pattern and len(lines) == len(list_configs()) > 150)
    assert all(path.endswith(f"/{name}.py") for name, path in lines)
    assert all("_base_" not in path for _, path in lines)
