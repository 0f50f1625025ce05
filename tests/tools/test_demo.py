import json
from pathlib import Path

import demo

ROOT = Path(__file__).resolve().parents[2]


def test_result_has_the_promised_keys(tmp_path, capsys):
    figures = {key: i / 10 for i, key in enumerate(demo.FIGURES.values())}
    (tmp_path / "test").mkdir()
    records = dict(protocol=dict(det_thr=0.5), model={}, versions={})
    (tmp_path / "test/result.json").write_text(json.dumps({**figures, "person_search/top-5": 1.0, **records}))
    result = demo.write_result(tmp_path, dict(synth=1.2345, tdn=4.0))
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert set(result) == {"mAP", "top-1", "mAP_rcp", "top-1_rcp", "det_ap", "det_recall", "minutes", *records}
    assert result["protocol"] == records["protocol"]
    assert result["mAP"] == figures["person_search/mAP"]
    assert result["mAP_rcp"] == figures["person_search/rcp/mAP"]
    assert result["minutes"] == dict(synth=1.23, tdn=4.0)
    demo.print_summary(result, tmp_path)
    assert str(tmp_path / "ranking.png") in capsys.readouterr().out


def test_the_stages_commands_exist(tmp_path):
    stages = demo.make_stages(tmp_path)
    for stage in stages:
        files = [part for part in stage.command if part.endswith(".py")]
        assert files
        assert all((ROOT / part).exists() for part in files), stage.name
    assert len({stage.name for stage in stages}) == len(stages)
