"""The dispatcher: what it lists, what it imports and how it ends."""

import importlib
import subprocess
import sys

import pytest

from mmpersonsearch import __version__
from mmpersonsearch.cli.main import VERBS, main


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def module_of(verb):
    return importlib.import_module(f"mmpersonsearch.cli.{verb.replace(' ', '_').replace('-', '_')}")


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_is_run_with_the_arguments_behind_it(verb, monkeypatch):
    given = []
    monkeypatch.setattr(module_of(verb), "main", given.append)
    main([*verb.split(), "one", "--two"])
    assert given == [["one", "--two"]]


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_names_it(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*verb.split(), "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: mmpersonsearch {verb} [-h]")


def test_all_verbs_are_listed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert [verb for verb, text in VERBS.items() if f"  {verb} " not in printed or text not in printed] == []
    with pytest.raises(SystemExit):
        main(["plot", "--help"])
    printed = capsys.readouterr().out
    assert "plot lambda" in printed and "on-boxes" not in printed


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["trian"], "no command 'trian'; did you mean 'train'?"),
        (["tococo", "--out", "x"], "no command 'tococo'; did you mean 'to-coco'?"),
        (["plot"], "'plot' needs a second word: search, embeddings, lambda"),
        (["plot", "serch"], "no command 'plot serch'; did you mean 'search'?"),
        (["convert", "xyz"], "no command 'convert xyz'; expected one of reid, two-step"),
        (["--verbose"], "no command '--verbose'; expected one of train, test, "),
    ],
)
def test_an_unknown_verb_is_an_error_that_names_the_nearest(argv, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert f"mmpersonsearch: {message}" in capsys.readouterr().err


def test_without_a_verb_the_list_is_shown_and_the_command_fails(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "usage: mmpersonsearch COMMAND" in capsys.readouterr().out


def test_version(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"mmpersonsearch {__version__}\n"


@pytest.mark.parametrize("argv", [["--help"], ["configs", "tdn"], ["nothing"]])
def test_help_and_configs_import_neither_pytorch_nor_mmengine(argv):
    code = f"""
import sys
from mmpersonsearch.cli.main import main
try:
    main({argv})
except SystemExit:
    pass
print(sorted({{"torch", "mmengine", "numpy", "matplotlib"}} & set(sys.modules)))
"""
    assert run_python(code).splitlines()[-1] == "[]"


def test_module_and_function_are_the_same_command():
    done = subprocess.run([sys.executable, "-m", "mmpersonsearch", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"mmpersonsearch {__version__}\n")
