import importlib.util
import io
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("demo_tool", ROOT / "tools/demo.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo_tool"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["demo_tool"]


def make_stages(demo, folder, text="", fail=None):
    """Three stages; each appends its name to ``calls`` and the products before it to its own."""
    stages = []
    for name in "abc":
        code = (
            f"import os, pathlib; folder = pathlib.Path({str(folder)!r})\n"
            f"open(folder / 'calls', 'a').write({name!r}); (folder / {name!r}).write_text({text!r})\n"
            f"print(os.environ['COLOR']); assert {name != fail}, 'this went wrong'"
        )
        stages.append(demo.Stage(name, f"Stage {name}", 1, ["-c", code], folder / name, dict(COLOR="green")))
    return stages


def calls(folder):
    path = folder / "calls"
    text = path.read_text() if path.exists() else ""
    path.unlink(missing_ok=True)
    return text


def test_complete_stages_are_kept(demo, tmp_path, capsys):
    minutes = demo.Demo(tmp_path, make_stages(demo, tmp_path)).run()
    assert calls(tmp_path) == "abc"
    assert all(0 < minutes[name] < 1 for name in "abc")
    assert "[2/3] Stage b (about 1 minute)" in capsys.readouterr().out
    assert demo.Demo(tmp_path, make_stages(demo, tmp_path)).run() == minutes
    assert calls(tmp_path) == ""
    assert "[2/3] Stage b: kept" in capsys.readouterr().out


def test_what_was_made_from_a_lost_product_is_made_anew(demo, tmp_path):
    demo.Demo(tmp_path, make_stages(demo, tmp_path)).run()
    calls(tmp_path)
    (tmp_path / "b").unlink()
    demo.Demo(tmp_path, make_stages(demo, tmp_path)).run()
    assert calls(tmp_path) == "bc"


def test_a_changed_command_runs_again_with_all_after_it(demo, tmp_path):
    demo.Demo(tmp_path, make_stages(demo, tmp_path)).run()
    calls(tmp_path)
    stages = make_stages(demo, tmp_path)
    stages[1].env["COLOR"] = "red"
    demo.Demo(tmp_path, stages).run()
    assert calls(tmp_path) == "bc"


def test_a_failing_stage_names_command_and_log_and_is_taken_up_again(demo, tmp_path):
    with pytest.raises(demo.StageFailedError) as failure:
        demo.Demo(tmp_path, make_stages(demo, tmp_path, fail="b")).run()
    message = str(failure.value)
    assert "this went wrong" in message
    assert "COLOR=green" in message
    assert str(tmp_path / "logs/b.log") in message
    assert "this went wrong" in (tmp_path / "logs/b.log").read_text()
    assert calls(tmp_path) == "ab"
    # What the failed stage left behind stays, a training goes on from it.
    assert (tmp_path / "b").exists()
    demo.Demo(tmp_path, make_stages(demo, tmp_path)).run()
    assert calls(tmp_path) == "bc"


def test_an_earlier_stage_that_fails_leaves_nothing_outdated(demo, tmp_path):
    demo.Demo(tmp_path, make_stages(demo, tmp_path)).run()
    (tmp_path / "a").unlink()
    with pytest.raises(demo.StageFailedError):
        demo.Demo(tmp_path, make_stages(demo, tmp_path, fail="a")).run()
    assert not (tmp_path / "b").exists()
    assert not (tmp_path / "c").exists()


def test_progress_follows_mmengines_log_and_own_bars(demo, monkeypatch):
    bars, tqdm = [], demo.tqdm

    def make_bar(**options):
        bars.append(tqdm(**options, file=io.StringIO()))
        return bars[-1]

    monkeypatch.setattr(demo, "tqdm", make_bar)
    progress = demo.Progress()
    text = (
        "11/20 18:19:30 - mmengine - INFO - Iter(train) [ 20/400]  grad_norm: 9.0  loss: 3.25  loss_id: 2.0\n"
        "11/20 18:19:31 - mmengine - INFO - Iter(train) [400/400]  lr: 1e-05  loss: 2.5  loss_id: 2.0\n"
        "11/20 18:19:35 - mmengine - INFO - Iter(val) [5/10]    eta: 0:00:00  time: 0.9\n"
        "11/20 18:19:35 - mmengine - INFO - Epoch(train) [1][ 3/10]  loss: 2.0\n"
        "11/20 18:19:35 - mmengine - INFO - Epoch(train) [2][ 1/10]  loss: 1.0\n"
        "\rcropping train:  40%|████      | 4/10 [00:01<00:02,  4.00image/s]"
        "\rcropping train: 100%|██████████| 10/10 [00:02<00:00,  5.00image/s]\n"
    )
    for i in range(0, len(text), 7):  # output comes in pieces
        progress.read(text[i : i + 7])
    progress.close()
    assert [(bar.desc.strip(), bar.n, bar.total, bar.postfix) for bar in bars] == [
        ("training", 400, 400, "loss=2.5"),
        ("validating", 5, 10, None),
        ("training", 3, 10, "loss=2.0"),
        ("training", 1, 10, "loss=1.0"),
        ("cropping train", 10, 10, None),
    ]


def test_latest_checkpoint_gets_a_fixed_name(demo, tmp_path):
    demo.link_latest_checkpoint(tmp_path)
    assert not (tmp_path / demo.LATEST).exists()
    for name in ("iter_100.pth", "iter_200.pth"):
        (tmp_path / name).write_text(name)
        (tmp_path / "last_checkpoint").write_text(str(tmp_path / name))
        demo.link_latest_checkpoint(tmp_path)
        assert (tmp_path / demo.LATEST).read_text() == name


def test_result_has_the_promised_keys(demo, tmp_path, capsys):
    figures = {key: i / 10 for i, key in enumerate(demo.FIGURES.values())}
    (tmp_path / "test").mkdir()
    (tmp_path / "test/result.json").write_text(json.dumps({**figures, "person_search/top-5": 1.0}))
    result = demo.write_result(tmp_path, dict(synth=1.2345, tdn=4.0))
    assert json.loads((tmp_path / "result.json").read_text()) == result
    assert set(result) == {"mAP", "top-1", "mAP_rcp", "top-1_rcp", "det_ap", "det_recall", "minutes"}
    assert result["mAP"] == figures["person_search/mAP"]
    assert result["mAP_rcp"] == figures["person_search/rcp/mAP"]
    assert result["minutes"] == dict(synth=1.23, tdn=4.0)
    demo.print_summary(result, tmp_path)
    assert str(tmp_path / "ranking.png") in capsys.readouterr().out


def test_the_stages_commands_exist(demo, tmp_path):
    stages = demo.make_stages(tmp_path)
    for stage in stages:
        files = [part for part in stage.command if part.endswith(".py")]
        assert files
        assert all((ROOT / part).exists() for part in files), stage.name
    assert len({stage.name for stage in stages}) == len(stages)
