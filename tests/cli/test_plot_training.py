import json
import math
from pathlib import Path

import pytest
from PIL import Image

from mmpersonsearch.cli import plot_training


def write_log(start, records, folder="run"):
    path = Path(folder, start, "vis_data", "scalars.json")
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def train(iteration, loss, **more):
    return {"lr": 0.1, "loss": loss, "iter": iteration, "step": iteration, **more}


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def draw(*words):
    plot_training.main([*words, "--out", "out/figure"])
    assert Image.open("out/figure.png").size[0] == 2100  # 7 inches
    return json.loads(Path("out/figure.json").read_text())


def test_a_resumed_training_is_joined_and_replaces_what_it_repeats():
    """It stopped after 40 of its iterations, resumed from 20, and stopped again before 40."""
    first = [train(10, 9.0), train(20, 8.0), {"person_search/mAP": 0.2, "step": 20}, train(30, 7.0)]
    first += [train(40, 6.0, loss_id=1.0), {"person_search/mAP": 0.4, "step": 40}]
    write_log("20260101_000000", first)
    write_log("20260102_000000", [train(30, 7.5), train(35, 7.25)])
    write_log("20260103_000000", [])  # a start that ended before its first record
    curves = plot_training.read_training("run")
    assert curves["loss"] == [(10, 9.0), (20, 8.0), (30, 7.5), (35, 7.25)]
    assert curves["person_search/mAP"] == [(20, 0.2)]
    assert "loss_id" not in curves and "iter" not in curves and "step" not in curves


def test_metrics_by_epoch_stand_at_the_last_logged_iteration_of_the_epoch():
    log = [train(50, 1.0, epoch=1), train(100, 0.9, epoch=1), {"detection/ap": 0.3, "step": 1}]
    log += [train(182, 0.8, epoch=2), {"detection/ap": 0.5, "step": 2}]
    path = write_log("20260101_000000", log)
    assert plot_training.read_training(str(path))["detection/ap"] == [(100, 0.3), (182, 0.5)]
    log = [train(50, 1.0, time=2.0), {"detection/ap": 0.3, "time": 9.0, "step": 77}]
    by_iteration = plot_training.read_training(str(write_log("20260101_000000", log, "other")))
    assert by_iteration["detection/ap"] == [(77, 0.3)] and by_iteration["time"] == [(50, 2.0)]


def test_smoothing_is_the_mean_of_the_last_values():
    assert plot_training.smooth([1, 2, 6, 0], 3) == [1, 1.5, 3, pytest.approx(8 / 3)]
    assert plot_training.smooth([1, 2, 6], 1) == [1, 2, 6]


def test_a_value_that_is_not_finite_is_smoothed_where_it_lies():
    """As the norm of gradients of mixed precision has them."""
    assert plot_training.smooth([math.inf, 0.1, 0.2], 1) == [math.inf, 0.1, 0.2]
    smoothed = plot_training.smooth([1, math.nan, 3, 5, 7], 2)
    assert smoothed[0] == 1 and smoothed[3:] == [4, 6] and all(map(math.isnan, smoothed[1:3]))


def test_runs_and_scalars_are_drawn(monkeypatch):
    write_log("20260101_000000", [train(10, 4.0), train(20, 2.0), {"person_search/mAP": 0.5, "step": 20}], "a")
    write_log("20260101_000000", [train(10, 3.0), train(30, 1.0)], "b")
    drawn = []
    save = plot_training.save_figure
    monkeypatch.setattr(plot_training, "save_figure", lambda figure, *args: (drawn.append(figure), save(figure, *args)))
    content = draw("A$=a", "B_=b", "--scalars", "loss", "person_search/mAP", "lr", "--smooth", "2")
    assert content["runs"]["A$"]["loss"] == dict(iterations=[10, 20], values=[4, 2], smoothed=[4, 3])
    assert content["logs"] == {"A$": ["a/20260101_000000/vis_data/scalars.json"], "B_": content["logs"]["B_"]}
    loss, mAP, lr, unused = drawn[0].axes
    assert [axes.get_ylabel() for axes in (loss, mAP, lr)] == ["loss", "person_search/mAP (%)", "lr"]
    assert not unused.axison
    # Of each run the values, pale, and the smoothed ones; the second has no mAP.
    assert [line.get_ydata().tolist() for line in loss.lines] == [[4, 2], [4, 3], [3, 1], [3, 2]]
    assert [line.get_alpha() for line in loss.lines] == [0.25, None, 0.25, None]
    assert [line.get_ydata().tolist() for line in mAP.lines] == [[50], [50], [], []]
    (legend,) = drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["A$", "B_"]
    assert [handle.get_marker() for handle in legend.legend_handles] == [line.get_marker() for line in loss.lines[1::2]]
    draw("A=a")
    assert len(drawn[1].axes) == 1 and len(drawn[1].axes[0].lines) == 1


def test_a_training_that_diverged_at_once_is_drawn_beside_another():
    write_log("1", [train(1, math.nan), train(2, math.nan)], "bad")
    write_log("1", [train(1, 2.0), train(2, math.inf), train(3, 1.0)], "good")
    runs = draw("bad=bad", "good=good", "--smooth", "2")["runs"]
    assert runs["good"]["loss"]["values"] == [2.0, math.inf, 1.0]


def test_a_last_line_that_is_cut_off_is_skipped(capsys):
    path = write_log("20260101_000000", [train(10, 4.0), train(20, 2.0)])
    path.write_text(path.read_text()[:-9])
    assert plot_training.read_training("run")["loss"] == [(10, 4.0)]
    assert "scalars.json: its last line is cut off and skipped" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "expected NAME=WORK_DIR, got 'run'"),
        (["A=run", "A=run"], "two runs have the name 'A'"),
        (["A=none"], "none does not exist, expected the work dir of a training or its scalars.json"),
        (["A=empty"], r"empty has no \*/vis_data/scalars.json, expected the work dir of a training"),
        (["A=bad.json"], "bad.json, line 1: expected a record of a training log: JSONDecodeError"),
        (["A=list.json"], "list.json, line 1: expected a record of a training log: AttributeError"),
        (["A=run", "--scalars", "loss", "los"], "--scalars los: expected some of loss, lr"),
        ([f"{i}=run" for i in range(9)], "1 to 8 runs, got 9"),
        (["A=model.pth"], r"model\.pth seems to be a PyTorch checkpoint, expected scalars\.json"),
    ],
)
def test_bad_input_ends_in_a_message(words, message):
    write_log("20260101_000000", [train(10, 4.0)])
    Path("empty").mkdir()
    Path("bad.json").write_text("no json\nno json\n")
    Path("list.json").write_text("[1]\n")
    Path("model.pth").write_bytes(b"PK\xff\xfe")
    with pytest.raises(SystemExit, match=f"^mmpersonsearch plot training: .*{message}"):
        plot_training.main([*words, "--out", "figure"])
    assert not list(Path().glob("figure*"))


def test_a_log_is_not_written_over():
    log = write_log("20260101_000000", [train(10, 4.0)])
    with pytest.raises(SystemExit, match=r"scalars\.json is also an input, which would be lost"):
        plot_training.main(["A=run", "--out", str(log.with_suffix(""))])
