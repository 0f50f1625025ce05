import json
from pathlib import Path

import pytest
from PIL import Image

from mmpersonsearch.cli import plot_lambda

PROTOCOL = {"data": {"data_set": "PRWDataset"}, "det_thr": 0.5, "rankings": {}}


@pytest.fixture
def tool(monkeypatch, tmp_path):
    """The tool, in a folder with results: OIM at three weights, KD_det at one, a detector without a protocol."""
    monkeypatch.chdir(tmp_path)
    for name, ap, mAP in (("o1", 0.75, 0.78), ("o03", 0.81, 0.7), ("o01", 0.83, 0.55), ("k1", 0.79, 0.783)):
        write_result(name, **{"detection/ap": ap, "person_search/mAP": mAP})
    Path("det.json").write_text(json.dumps({"detection/ap": 0.836}))
    return plot_lambda


def write_result(name, protocol=PROTOCOL, **figures):
    Path(f"{name}.json").write_text(json.dumps({**figures, "protocol": protocol}))


OIM = ["--curve", "OIM", "1=o1.json", "0.1=o01.json", "0.3=o03.json"]


def test_figure_and_numbers(tool):
    kd_det = ["--curve", "OIM + KD_det", "1.0=k1.json"]
    tool.main([*OIM, *kd_det, "--detector", "DET_50=det.json", "--out", "figures/lambda"])
    assert Image.open("figures/lambda.png").width == 2100  # 7 inches
    assert Path("figures/lambda.svg").read_text().rstrip().endswith("</svg>")
    assert json.loads(Path("figures/lambda.json").read_text()) == {
        "curves": {
            "OIM": {
                "weights": [0.1, 0.3, 1.0],
                "detection AP": [0.83, 0.81, 0.75],
                "search mAP": [0.55, 0.7, 0.78],
                "detection AP, spread": [0, 0, 0],
                "search mAP, spread": [0, 0, 0],
                "results": [["o01.json"], ["o03.json"], ["o1.json"]],
            },
            "OIM + KD_det": {
                "weights": [1.0],
                "detection AP": [0.79],
                "search mAP": [0.783],
                "detection AP, spread": [0],
                "search mAP, spread": [0],
                "results": [["k1.json"]],
            },
        },
        "key": "Weight of the OIM loss (λ)",
        "detectors": {"DET_50": 0.836},
        "detector_results": {"DET_50": ["det.json"]},
    }


def test_several_results_of_a_weight_are_mean_and_spread(tool):
    Path("det2.json").write_text(json.dumps({"detection/ap": 0.806}))
    curve = ["--curve", "OIM", "1=o1.json", "0.1=o01.json", "1.0=o03.json"]
    tool.main([*curve, "--detector", "D=det.json", "D=det2.json", "--out", "figure"])
    content = json.loads(Path("figure.json").read_text())
    oim = content["curves"]["OIM"]
    assert oim["results"] == [["o01.json"], ["o1.json", "o03.json"]]
    assert oim["search mAP"] == pytest.approx([0.55, 0.74])
    assert oim["detection AP, spread"] == pytest.approx([0, 0.03 * 2**0.5])  # of 0.75 and 0.81, as of a sample
    assert content["detectors"] == {"D": pytest.approx(0.821)}


def test_any_value_may_be_swept_and_any_metric_drawn(tool, monkeypatch):
    """Figure 13 of I-Net's paper: mAP and top-1 by alpha, 0 included."""
    for name, top1 in (("o1", 0.8), ("o03", 0.7)):
        write_result(name, **{"detection/ap": 0.7, "person_search/mAP": top1 / 2, "person_search/top-1": top1})
    drawn = []
    save = tool.save_figure
    monkeypatch.setattr(tool, "save_figure", lambda figure, *args: (drawn.append(figure), save(figure, *args)))
    metrics = ["--metrics", "person_search/mAP", "person_search/top-1", "detection/ap"]
    tool.main(["--curve", "I", "0.5=o1.json", "0=o03.json", "--key", "alpha_$x", *metrics, "--out", "figure"])
    content = json.loads(Path("figure.json").read_text())
    assert content["key"] == "alpha_$x" and content["curves"]["I"]["weights"] == [0, 0.5]
    assert content["curves"]["I"]["search top-1"] == [0.7, 0.8]
    axes = [one for one in drawn[0].axes if one.axison]
    assert [one.get_ylabel() for one in axes] == ["Search mAP (%)", "Search top-1 (%)", "Detection AP (%)"]
    assert {one.get_xlabel() for one in axes} == {"alpha_$x"}
    assert [list(one.lines[0].get_ydata()) for one in axes] == [[35, 40], [70, 80], [70, 70]]


def test_a_result_is_not_written_over(tool):
    before = Path("o1.json").read_text()
    with pytest.raises(SystemExit, match=r"--out o1\.json is also an input, which would be lost"):
        tool.main([*OIM, "--out", "o1"])
    assert Path("o1.json").read_text() == before


def test_only_like_is_put_beside_like(tool):
    write_result("k1", {**PROTOCOL, "det_thr": 0.3}, **{"detection/ap": 0.8, "person_search/mAP": 0.7})
    arguments = [*OIM, "--curve", "KD", "1=k1.json", "--out", "figure"]
    with pytest.raises(SystemExit, match=r"different protocols(.|\n)*det_thr: 0\.5 and 0\.3"):
        tool.main(arguments)
    assert not list(Path().glob("figure*"))
    tool.main([*arguments, "--allow-different-protocols"])
    assert Path("figure.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--curve", "A"], r"--curve A: expected a name of its own and VALUE=RESULT\.json, got \[\]"),
        (["--curve", "A", "1=o1.json", "--curve", "A", "1=k1.json"], "--curve A: expected a name of its own"),
        (["--curve", "A", "o1.json"], "values that are numbers, each result once, got 'o1.json'"),
        (["--curve", "A", "1="], "values that are numbers, each result once, got '1='"),
        (["--curve", "A", "=o1.json"], "values that are numbers, each result once, got '=o1.json'"),
        (["--curve", "A", "inf=o1.json"], "values that are numbers, each result once, got 'inf=o1.json'"),
        (["--curve", "A", "1=o1.json", "--metrics", "x/y"], r"o1\.json has no x/y"),
        (
            ["--curve", "A", "1=o1.json", "--detector", "D=det.json", "--metrics", "person_search/mAP"],
            "--detector needs detection/ap among the --metrics, got person_search/mAP",
        ),
        (["--curve", "A", "nan=o1.json"], "values that are numbers, each result once, got 'nan=o1.json'"),
        (
            ["--curve", "A", "1=o1.json", "1.0=o1.json"],
            r"each result once, got '1\.0=o1\.json'",
        ),
        (["--curve", "A", "1=no.json"], r"result no\.json does not exist"),
        (["--curve", "A", "1=det.json"], r"det\.json has no record of its protocol"),
        (["--curve", "A", "1=bad.json"], r"bad\.json has no person_search/mAP"),
        (
            ["--curve", "A", "1=o1.json", "--detector", "det.json"],
            r"expected NAME=RESULT\.json, each result once, got 'det\.json'",
        ),
        (["--curve", "A", "1=o1.json", "--detector", "D=list.json"], r"list\.json holds no metrics"),
        (["--curve", "A", "1=o1.json", "--detector", "A=det.json"], "of different names"),
    ],
)
def test_bad_input_ends_in_a_message(tool, words, message):
    write_result("bad", **{"detection/ap": 0.8})
    Path("list.json").write_text("[]")
    with pytest.raises(SystemExit, match=f"^mmpersonsearch plot lambda: .*{message}"):
        tool.main([*words, "--out", "figure"])
    assert not list(Path().glob("figure*"))


def test_help_tells_how(tool, capsys):
    with pytest.raises(SystemExit):
        tool.main(["--help"])
    assert "VALUE=RESULT.json" in capsys.readouterr().out
