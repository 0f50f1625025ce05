import io

import pytest

from mmpersonsearch.utils.errors import InputError
from projects.synthetic_benchmark.run import stages


def make_stages(folder, text="", fail=None):
    """Three stages; each appends its name to ``calls`` and the products before it to its own."""
    made = []
    for name in "abc":
        code = (
            f"import os, pathlib; folder = pathlib.Path({str(folder)!r})\n"
            f"open(folder / 'calls', 'a').write({name!r}); (folder / {name!r}).write_text({text!r})\n"
            f"print(os.environ['COLOR']); assert {name != fail}, 'this went wrong'"
        )
        made.append(stages.Stage(name, f"Stage {name}", ["-c", code], folder / name, dict(COLOR="green"), minutes=1))
    return made


def calls(folder):
    path = folder / "calls"
    text = path.read_text() if path.exists() else ""
    path.unlink(missing_ok=True)
    return text


def test_complete_stages_are_kept(tmp_path, capsys):
    minutes = stages.StageChain(tmp_path, make_stages(tmp_path)).run()
    assert calls(tmp_path) == "abc"
    assert all(0 < minutes[name] < 1 for name in "abc")
    assert "[2/3] Stage b (about 1 minute)" in capsys.readouterr().out
    assert stages.StageChain(tmp_path, make_stages(tmp_path)).run() == minutes
    assert calls(tmp_path) == ""
    assert "[2/3] Stage b: kept" in capsys.readouterr().out


def test_the_time_of_stages_that_are_kept_is_not_counted(tmp_path):
    assert stages.StageChain(tmp_path, make_stages(tmp_path)).count_minutes() == 3
    stages.StageChain(tmp_path, make_stages(tmp_path)).run()
    assert stages.StageChain(tmp_path, make_stages(tmp_path)).count_minutes() == 0
    # What was made from the second one's product is made anew with it.
    (tmp_path / "b").unlink()
    assert stages.StageChain(tmp_path, make_stages(tmp_path)).count_minutes() == 2


def test_a_stage_of_unknown_length(tmp_path, capsys):
    unknown = make_stages(tmp_path)[0]
    unknown.minutes = None
    chain = stages.StageChain(tmp_path, [unknown])
    assert chain.count_minutes() == 0
    chain.run()
    assert capsys.readouterr().out == "[1/1] Stage a\n"


@pytest.mark.parametrize(
    ("minutes", "words"), [(0.2, "12 seconds"), (1.1, "1 minute"), (1.4, "1.5 minutes"), (9.8, "10 minutes")]
)
def test_minutes_in_words(minutes, words):
    assert stages.describe_minutes(minutes) == words


def test_what_was_made_from_a_lost_product_is_made_anew(tmp_path):
    stages.StageChain(tmp_path, make_stages(tmp_path)).run()
    calls(tmp_path)
    (tmp_path / "b").unlink()
    stages.StageChain(tmp_path, make_stages(tmp_path)).run()
    assert calls(tmp_path) == "bc"


def test_a_changed_command_runs_again_with_all_after_it(tmp_path):
    stages.StageChain(tmp_path, make_stages(tmp_path)).run()
    calls(tmp_path)
    changed = make_stages(tmp_path)
    changed[1].env["COLOR"] = "red"
    stages.StageChain(tmp_path, changed).run()
    assert calls(tmp_path) == "bc"


def test_a_failing_stage_names_command_and_log_and_is_taken_up_again(tmp_path):
    with pytest.raises(stages.StageFailedError) as failure:
        stages.StageChain(tmp_path, make_stages(tmp_path, fail="b")).run()
    message = str(failure.value)
    assert "this went wrong" in message
    assert "COLOR=green" in message
    assert str(tmp_path / "logs/b.log") in message
    assert "this went wrong" in (tmp_path / "logs/b.log").read_text()
    assert calls(tmp_path) == "ab"
    # What the failed stage left behind stays, a training goes on from it.
    assert (tmp_path / "b").exists()
    stages.StageChain(tmp_path, make_stages(tmp_path)).run()
    assert calls(tmp_path) == "bc"


def test_an_earlier_stage_that_fails_leaves_nothing_outdated(tmp_path):
    stages.StageChain(tmp_path, make_stages(tmp_path)).run()
    (tmp_path / "a").unlink()
    with pytest.raises(stages.StageFailedError):
        stages.StageChain(tmp_path, make_stages(tmp_path, fail="a")).run()
    assert not (tmp_path / "b").exists()
    assert not (tmp_path / "c").exists()


def test_a_chain_removes_only_what_a_chain_wrote(tmp_path):
    folder, theirs = tmp_path / "work", tmp_path / "work" / "b"
    theirs.mkdir(parents=True)
    (theirs / "mine.txt").write_text("mine")
    for fresh in (False, True):  # a folder of somebody else's is not begun in, and not cleared
        with pytest.raises(InputError, match="work/b is not"):
            stages.StageChain(folder, make_stages(folder), fresh)
    (theirs / "mine.txt").rename(tmp_path / "mine.txt")
    theirs.rmdir()
    stages.StageChain(folder, make_stages(folder)).run()
    calls(folder)
    (folder / "notes.txt").write_text("mine")
    (folder / "c").write_text("mine, too")
    with pytest.raises(InputError, match=r"work/(notes.txt|c) is not"):
        stages.StageChain(folder, make_stages(folder), fresh=True)
    changed = make_stages(folder)
    changed[1].env["COLOR"] = "red"
    with pytest.raises(InputError, match="work/c is not"):
        stages.StageChain(folder, changed).run()
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [
        ".stages.files.json",
        "a",
        "b",
        "c",
        "notes.txt",
        "stages.json",
    ]
    for name in ("c", "notes.txt"):
        (folder / name).rename(tmp_path / name)
    stages.StageChain(folder, make_stages(folder), fresh=True)
    assert list(folder.iterdir()) == []


def test_progress_follows_mmengines_log_and_own_bars(monkeypatch):
    bars, tqdm = [], stages.tqdm

    def make_bar(**options):
        bars.append(tqdm(**options, file=io.StringIO()))
        return bars[-1]

    monkeypatch.setattr(stages, "tqdm", make_bar)
    progress = stages.Progress()
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


def test_latest_checkpoint_gets_a_fixed_name(tmp_path):
    stages.link_latest_checkpoint(tmp_path)
    assert not (tmp_path / stages.LATEST).exists()
    for name in ("iter_100.pth", "iter_200.pth"):
        (tmp_path / name).write_text(name)
        (tmp_path / "last_checkpoint").write_text(str(tmp_path / name))
        stages.link_latest_checkpoint(tmp_path)
        assert (tmp_path / stages.LATEST).read_text() == name
