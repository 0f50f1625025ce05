import argparse

import pytest

from mmpersonsearch.utils.arguments import positive


def test_positive():
    assert positive("1") == 1


@pytest.mark.parametrize("text", ["0", "-2", "1.5", "many"])
def test_what_is_not_positive_ends_in_a_message(text, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("--topk", type=positive)
    with pytest.raises(SystemExit):
        parser.parse_args([f"--topk={text}"])
    assert f"argument --topk: invalid positive value: '{text}'" in capsys.readouterr().err
