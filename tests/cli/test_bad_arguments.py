"""Command lines that make no sense end before any work, in one line that names the option and what it expects."""

import importlib

import pytest

from mmpersonsearch.cli.main import main

TOP = "an integer of 1 or more"
COUNT = "an integer of 0 or more"
FRACTION = "a number from 0 to 1"
INNER = "a number between 0 and 1"
DEVICE = "a device of this machine such as cpu or cuda:0"
PLOTS = {
    "plot search gallery-size": ["c.py", "A=a.pkl"],
    "plot search rcp": ["c.py", "A=a.pkl"],
    "plot search precision-recall": ["c.py", "A=a.pkl"],
    "plot search detection": ["c.py", "A=a.pkl"],
    "plot embeddings tsne": ["c.py", "A=a.pkl"],
    "plot embeddings centers": ["A=a.pth"],
    "plot lambda": ["--curve", "A", "1=a.json"],
    "plot training": ["A=run"],
    "plot proposals": ["c.py", "m.pth"],
}
NUMBERS = [
    ("check c.py", "--workers", ["-1", "x"], COUNT),
    ("eval p.pkl c.py", "--det-thr", ["1.5", "-0.1", "nan"], FRACTION),
    ("eval p.pkl c.py", "--gallery-sizes", ["0", "50.5"], TOP),
    ("rank c.py p.pkl", "--queries", ["-1", "first"], COUNT),
    ("rank c.py p.pkl", "--topk", ["0"], TOP),
    ("rank c.py p.pkl", "--num-queries", ["0"], TOP),
    ("rank c.py p.pkl", "--gallery-size", ["0"], TOP),
    ("plot search gallery-size c.py A=a.pkl --out f", "--sizes", ["0"], TOP),
    ("plot search gallery-size c.py A=a.pkl --out f", "--weight", ["0", "1", "inf", "nan", "x"], INNER),
    ("plot search gallery-size c.py A=a.pkl --out f", "--threshold", ["1.1"], FRACTION),
    ("plot search rcp c.py A=a.pkl --out f", "--weights", ["-0.1", "1.5"], INNER),
    ("plot search rcp c.py A=a.pkl --out f", "--thresholds", ["-0.1", "x"], FRACTION),
    ("plot search detection c.py A=a.pkl --out f", "--det-thr", ["2"], FRACTION),
    ("plot embeddings tsne c.py A=a.pkl --out f", "--identities", ["-1"], COUNT),
    ("plot embeddings tsne c.py A=a.pkl --out f", "--num-identities", ["0"], TOP),
    ("plot embeddings tsne c.py A=a.pkl --out f", "--seed", ["-1", "4294967296"], "an integer from 0 to 4294967295"),
    ("plot training A=run --out f", "--smooth", ["0", "0.5"], TOP),
    ("plot proposals c.py m.pth --out f", "--query", ["-1", "x"], COUNT),
    ("on-boxes c.py m.pth", "--device", ["gpu", "cuda:x", "cpu:7x"], DEVICE),
    ("flops c.py", "--num-persons", ["0"], TOP),
    ("crop PRW data --out f", "--size", ["0"], TOP),
    ("browse c.py --out f", "--number", ["0"], TOP),
]
BENCHMARKS = [
    ("benchmark", ["c.py"], "--num-images", ["0", "x"], TOP),
    ("benchmark", ["c.py"], "--warm-up", ["0"], TOP),
    ("benchmark", ["c.py"], "--rounds", ["0"], TOP),
    ("benchmark_eval", [], "--loop-queries", ["-1"], COUNT),
    ("benchmark_eval", [], "--fractions", ["0", "1.5"], "a number above 0, at most 1"),
    ("benchmark_eval", [], "--device", ["gpu"], DEVICE),
    ("benchmark_eval", [], "--dim", ["0"], TOP),
    ("benchmark_memories", [], "--samples", ["0"], TOP),
    ("benchmark_ops", [], "--rounds", ["0"], TOP),
]


def ends(run, words, capsys):
    """The last line of a command that ends with status 2."""
    with pytest.raises(SystemExit) as ended:
        run(words)
    assert ended.value.code == 2
    return capsys.readouterr().err.rstrip().splitlines()[-1]


@pytest.mark.parametrize(("start", "option", "values", "expected"), NUMBERS)
def test_numbers_out_of_range(start, option, values, expected, capsys):
    for value in values:
        line = ends(main, [*start.split(), option, *[value] * (2 if option == "--size" else 1)], capsys)
        assert line.endswith(f"argument {option}: expected {expected}, got '{value}'")


@pytest.mark.parametrize(("name", "words", "option", "values", "expected"), BENCHMARKS)
def test_numbers_of_benchmarks_out_of_range(name, words, option, values, expected, capsys):
    for value in values:
        line = ends(importlib.import_module(name).main, [*words, option, value], capsys)
        assert line.endswith(f"argument {option}: expected {expected}, got '{value}'")


@pytest.mark.parametrize("start", PLOTS)
@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("file/figure", "file cannot be made a folder: "),
        ("folder", "folder.svg is a folder, expected a file in it"),
    ],
)
def test_figures_that_cannot_be_written(start, out, message, monkeypatch, tmp_path, capsys):
    """No input exists: the figure is checked first."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.svg").mkdir()
    (tmp_path / "run/1/vis_data").mkdir(parents=True)
    (tmp_path / "run/1/vis_data/scalars.json").write_text("no json")
    line = ends(main, [*start.split(), *PLOTS[start], "--out", out], capsys)
    assert line.startswith(f"mmpersonsearch {' '.join(start.split()[:2])}: ") and message in line


@pytest.mark.parametrize("name", ["benchmark_eval", "benchmark_memories", "benchmark_ops"])
def test_results_of_benchmarks_that_cannot_be_written(name, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    benchmark = importlib.import_module(name).main
    assert "file cannot be made a folder" in ends(benchmark, ["--json", "file/b.json"], capsys)
    assert "--json b.txt: expected a name that ends in .json" in ends(benchmark, ["--json", "b.txt"], capsys)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--num-images", "3", "--shape", "96", "128"], "--shape and --batch-size are of random images"),
        (["--num-images", "3", "--batch-size", "2"], "--shape and --batch-size are of random images"),
        (["--data-set", "prw"], "--data-set needs --num-images"),
        (["--compare-checkpoint", "b.pth"], "--compare-checkpoint needs --compare"),
    ],
)
def test_options_of_the_speed_that_exclude_each_other(words, message, capsys):
    assert message in ends(importlib.import_module("benchmark").main, ["c.py", *words], capsys)
