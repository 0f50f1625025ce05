import argparse

import pytest
from matplotlib.figure import Figure
from torch.utils.data import DataLoader

from mmpersonsearch.cli.command_line import (
    add_config_options,
    exit_on_bad_input,
    name_variables,
    parse_runs,
    positive,
    print_table,
    remember_variables,
    save_figure,
)
from mmpersonsearch.utils.errors import InputError


def test_positive():
    assert positive("1") == 1


@pytest.mark.parametrize("text", ["0", "-2", "1.5", "many"])
def test_what_is_not_positive_ends_in_a_message(text, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("--topk", type=positive)
    with pytest.raises(SystemExit):
        parser.parse_args([f"--topk={text}"])
    assert f"argument --topk: expected an integer of 1 or more, got '{text}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [(["nonsense"], "expected KEY=VALUE, got 'nonsense'"), (["=3"], "expected KEY=VALUE, got '=3'"), (["a=[1,"], "")],
)
def test_malformed_options_end_in_a_message(words, message, capsys):
    parser = argparse.ArgumentParser()
    add_config_options(parser)
    assert parser.parse_args(["--cfg-options", "a.b=[1,2]", "c=x"]).cfg_options == {"a.b": [1, 2], "c": "x"}
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--cfg-options", *words])
    assert ended.value.code == 2 and f"argument --cfg-options: {message}" in capsys.readouterr().err


@pytest.mark.parametrize("error", [InputError("--size is odd"), FileNotFoundError("--size is odd")])
def test_bad_input_ends_in_a_message(error, capsys):
    with pytest.raises(SystemExit, match=r"^tool\.py: --size is odd$") as ended, exit_on_bad_input("tool.py"):
        raise error
    assert ended.value.code == 2 and capsys.readouterr().err == "tool.py: --size is odd\n"


@pytest.mark.parametrize("kind", [InputError, FileNotFoundError])
def test_bad_input_of_a_data_loaders_worker_ends_in_its_message_alone(kind, capsys):
    def load(_):
        try:
            raise ValueError("the cause")
        except ValueError as cause:
            raise kind("mask.png: expected a mask") from cause

    with pytest.raises(SystemExit), exit_on_bad_input("tool.py"):
        list(DataLoader([0], num_workers=1, collate_fn=load))
    assert capsys.readouterr().err == "tool.py: mask.png: expected a mask\n"


def test_variables_whose_values_a_message_has_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOME_CHECKPOINT", "/some/where.pth")
    remember_variables("{{$SOME_ROOT:data/some/}} {{$SOME_CHECKPOINT:a.pth}} {{$SOME_WEIGHTS:https://x.org/a.pth}}")
    remember_variables("{{$START:none}}")
    assert name_variables("none of the persons has an identity") == ""
    assert name_variables("data/some is missing") == (
        f" (SOME_ROOT is not set, by default data/some/, which is {tmp_path}/data/some)"
    )
    assert name_variables("no /some/where.pth") == " (SOME_CHECKPOINT is set to /some/where.pth)"
    assert name_variables("https://x.org/a.pth") == " (SOME_WEIGHTS is not set, by default https://x.org/a.pth)"


@pytest.mark.parametrize("bug", [ValueError, KeyError, RuntimeError])
def test_a_bug_keeps_its_traceback(bug):
    with pytest.raises(bug), exit_on_bad_input("tool.py"):
        raise bug("bug")


def test_input_errors_are_value_errors():
    assert issubclass(InputError, ValueError)


def test_runs_have_names_of_their_own():
    assert parse_runs(["A=a.pkl", "B=b=c.pkl"]) == {"A": "a.pkl", "B": "b=c.pkl"}
    for words, message in ((["a.pkl"], "expected NAME=X, got 'a.pkl'"), (["A=a", "A=b"], "two runs have the name 'A'")):
        with pytest.raises(InputError, match=message):
            parse_runs(words, "X")


def test_a_table_has_a_line_a_row(capsys):
    print_table("Title", ("case", "ms", "count"), [("a", 1 / 3, 7), ("b", None, 12345)])
    lines = [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if line and line[0] in "ab"] == [["a", "0.333", "7"], ["b", "12345"]]


def test_the_same_numbers_give_the_same_files(tmp_path):
    contents = []
    for _ in range(2):
        figure = Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1], clip_on=True)
        save_figure(figure, {"runs": {}}, str(tmp_path / "out" / "one.two"))
        contents.append({path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {"one.two.png", "one.two.svg", "one.two.json"}
