"""The command serve, up to the page."""

import json
import sys

import pytest

from mmpersonsearch.cli import serve
from mmpersonsearch.page.server import is_loopback, listen, read_auth
from mmpersonsearch.utils.errors import InputError
from mmpersonsearch.utils.holder import hold


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        serve.main(list(arguments))
    return ended.value.code, capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.org", ""])
def test_other_machines_need_a_password(host, capsys, tmp_path):
    assert not is_loopback(host)
    with pytest.raises(InputError, match="is reached from other machines, expected --auth user:password"):
        read_auth(None, host)
    assert read_auth("me:a:b", host) == ("me", "a:b")
    for text in ("me", "me:", ":secret", ""):
        with pytest.raises(InputError, match="--auth: expected user:password"):
            read_auth(text, host)
    status, error = run(capsys, str(tmp_path), "--host", host)
    assert status == 2 and error.startswith("mmpersonsearch serve: --host") and error.count("\n") == 1


def test_this_machine_needs_none():
    for host in ("127.0.0.1", "127.0.0.2", "localhost", "::1"):
        assert read_auth(None, host) is None
    assert read_auth("me:secret", "localhost") == ("me", "secret")


def test_a_port_that_is_taken_is_named():
    with listen("127.0.0.1", 0) as taken, pytest.raises(InputError, match=r"cannot listen at 127\.0\.0\.1, port"):
        listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(InputError, match=r"cannot listen at 127\.0\.0\.1, port 99999"):
        listen("127.0.0.1", 99999)


def test_a_gallery_that_is_held_or_missing_is_exit_status_2(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["mmpersonsearch", "serve", "g", "--auth", "me:secret", "--token=root:Milvus"])
    (tmp_path / "g/milvus.db").mkdir(parents=True)
    lock = hold(tmp_path / "g")
    try:
        assert "secret" not in (tmp_path / "g/holder.json").read_text()
        assert json.loads((tmp_path / "g/holder.json").read_text())["command"].endswith("g --auth *** --token=***")
        status, error = run(capsys, str(tmp_path / "g"))
    finally:
        lock.release()
    assert status == 2 and "is held by process" in error and error.count("\n") == 1
    status, error = run(capsys, str(tmp_path / "none"))
    assert status == 2 and error == f"mmpersonsearch serve: gallery {tmp_path / 'none'} does not exist\n"
