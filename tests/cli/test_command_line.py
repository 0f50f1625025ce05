import argparse

import pytest

from mmpersonsearch.cli.command_line import exit_on_bad_input, positive


def test_positive():
    assert positive("1") == 1


@pytest.mark.parametrize("text", ["0", "-2", "1.5", "many"])
def test_what_is_not_positive_ends_in_a_message(text, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("--topk", type=positive)
    with pytest.raises(SystemExit):
        parser.parse_args([f"--topk={text}"])
    assert f"argument --topk: invalid positive value: '{text}'" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ValueError("--size is odd"), FileNotFoundError("--size is odd")])
def test_bad_input_ends_in_a_message(error):
    with pytest.raises(SystemExit, match=r"^tool\.py: --size is odd$"), exit_on_bad_input("tool.py"):
        raise error


def test_a_bug_keeps_its_traceback():
    with pytest.raises(KeyError), exit_on_bad_input("tool.py"):
        raise KeyError("bug")
