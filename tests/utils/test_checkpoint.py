import hashlib
import os
import re
import zipfile
from collections import OrderedDict
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import URLError

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import CheckpointLoader

from mmpersonsearch.utils.checkpoint import (
    fetch_file,
    load_checkpoint_file,
    load_strictly,
    save_checkpoint,
    use_safe_checkpoint_loader,
)
from mmpersonsearch.utils.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class ReachByGetattr:
    """Asks ``getattr`` for what leads from a harmless class to every function of the interpreter."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, "__init__")


def training_checkpoint():
    """What ``Runner.save_checkpoint`` writes, all kinds of values included."""
    hub = MessageHub.get_instance("test_checkpoint")
    hub.update_scalar("train/loss", 1.5)
    hub.update_scalar("train/loss", 0.5)
    hub.update_info("best_score", np.float64(0.25))
    hub.update_info("dataset_meta", dict(classes=("person",), num_ids=3))
    hub.update_info("counts", np.arange(3))
    parameter = torch.nn.Parameter(torch.arange(4.0))
    optimizer = torch.optim.AdamW([parameter], lr=0.1)
    parameter.sum().backward()
    optimizer.step()
    return dict(
        meta=dict(epoch=1, seed=3, cfg="a = 1"),
        state_dict=OrderedDict(weight=parameter.data),
        optimizer=optimizer.state_dict(),
        message_hub=hub.state_dict(),
    )


def test_reads_what_training_writes_with_its_log_buffers(tmp_path):
    path = tmp_path / "epoch_1.pth"
    written = training_checkpoint()
    torch.save(written, path)
    read = load_checkpoint_file(path)
    assert torch.equal(read["state_dict"]["weight"], written["state_dict"]["weight"])
    assert torch.equal(read["optimizer"]["state"][0]["exp_avg"], written["optimizer"]["state"][0]["exp_avg"])
    info = read["message_hub"]["runtime_info"]
    assert info["best_score"] == 0.25
    assert info["counts"].tolist() == [0, 1, 2]
    assert read["message_hub"]["log_scalars"]["train/loss"].mean() == 1.0


def test_reads_numpy_1_names(tmp_path):
    path = tmp_path / "old.pth"
    torch.save(dict(score=np.float64(0.5)), tmp_path / "new.pth")
    with zipfile.ZipFile(tmp_path / "new.pth") as new, zipfile.ZipFile(path, "w") as old:
        for name in new.namelist():
            old.writestr(name, new.read(name).replace(b"numpy._core", b"numpy.core"))
    assert load_checkpoint_file(path)["score"] == 0.5


def test_reads_bare_weights(tmp_path):
    torch.save(OrderedDict(a=torch.ones(2)), tmp_path / "weights.pth")
    assert load_checkpoint_file(str(tmp_path / "weights.pth"))["a"].tolist() == [1, 1]


@pytest.mark.parametrize("place", ["meta", "state_dict"])
def test_refuses_to_run_code(tmp_path, place):
    path, touched = tmp_path / "strange.pth", tmp_path / "touched"
    torch.save({**training_checkpoint(), place: Touch(touched)}, path)
    with pytest.raises(InputError, match=r"strange\.pth.*posix\.mkdir"):
        load_checkpoint_file(path)
    assert not touched.exists()


def test_refuses_getattr_on_anything_else(tmp_path):
    path = tmp_path / "getattr.pth"
    torch.save(dict(meta=ReachByGetattr()), path)
    with pytest.raises(InputError, match=r"getattr\.pth.*__init__"):
        load_checkpoint_file(path)


def test_allowed_globals_are_taken_back(tmp_path):
    before = torch.serialization.get_safe_globals()
    torch.save(dict(a=1), tmp_path / "a.pth")
    load_checkpoint_file(tmp_path / "a.pth")
    assert set(torch.serialization.get_safe_globals()) == set(before)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.pth"):
        load_checkpoint_file(tmp_path / "nothing.pth")


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", "truncated"])
def test_unreadable_file_is_named(tmp_path, content):
    path = tmp_path / "broken.pth"
    if content == "truncated":
        torch.save(dict(a=torch.ones(1000)), path)
        content = path.read_bytes()[:2000]
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.pth"):
        load_checkpoint_file(path)


def test_other_than_dict_is_named(tmp_path):
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(InputError, match=r"list\.pth holds a list"):
        load_checkpoint_file(tmp_path / "list.pth")


def test_address_goes_through_the_download_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.save(dict(a=2), tmp_path / "checkpoints" / "w.pth")
    assert load_checkpoint_file("https://example.invalid/w.pth") == dict(a=2)
    torch.save(dict(a=Touch(tmp_path / "touched")), tmp_path / "checkpoints" / "bad.pth")
    with pytest.raises(InputError, match=r"bad\.pth"):
        load_checkpoint_file("https://example.invalid/bad.pth")
    assert not (tmp_path / "touched").exists()


def test_a_download_that_has_changed_since_its_first_use(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    file = tmp_path / "checkpoints/w.pth"
    file.parent.mkdir()
    torch.save(dict(a=2), file)
    url = "https://example.invalid/w.pth?download=1"
    for _ in range(2):
        assert load_checkpoint_file(url) == dict(a=2)
    recorded = file.with_name("w.pth.sha256").read_text()
    assert recorded == f"{hashlib.sha256(file.read_bytes()).hexdigest()}  w.pth\n"
    torch.save(dict(a=3), file)
    with pytest.raises(InputError, match=r"w\.pth, the download of .*, has another SHA-256 .* than at first use"):
        load_checkpoint_file(url)


def test_a_file_of_another_kind_is_downloaded_once(tmp_path, monkeypatch):
    served = tmp_path / "served"
    served.mkdir()
    (served / "net.onnx").write_bytes(b"network")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    handler = partial(QuietHandler, directory=served)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/net.onnx?download=1"
        path = Path(fetch_file(url))
        assert path.read_bytes() == b"network" and path.name.endswith("-net.onnx")
        (served / "net.onnx").write_bytes(b"another")
        assert fetch_file(url) == str(path) and path.read_bytes() == b"network"
        other = fetch_file(url.replace("download=1", "download=2"))  # another address, of the same name
        assert Path(other).read_bytes() == b"another"
        with pytest.raises(
            InputError, match=r"none\.onnx\S* cannot be downloaded: HTTP Error 404.*; give a local copy"
        ):
            fetch_file(url.replace("net.onnx", "none.onnx"))
        server.shutdown()
    digest = hashlib.sha256(b"network").hexdigest()
    assert path.with_name(f"{path.name}.sha256").read_text() == f"{digest}  {path.name}\n"
    assert len(list(path.parent.iterdir())) == 4  # nothing unfinished is left
    path.write_bytes(b"changed")
    with pytest.raises(InputError, match="has another SHA-256"):
        fetch_file(url)
    assert fetch_file(str(served / "net.onnx")) == str(served / "net.onnx")


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_mmengine_loads_by_the_same_rules(tmp_path, monkeypatch):
    monkeypatch.setattr(CheckpointLoader, "_schemes", dict(CheckpointLoader._schemes))
    use_safe_checkpoint_loader()
    torch.save(dict(a=Touch(tmp_path / "touched")), tmp_path / "strange.pth")
    with pytest.raises(InputError, match=r"strange\.pth"):
        CheckpointLoader.load_checkpoint(str(tmp_path / "strange.pth"))
    assert not (tmp_path / "touched").exists()
    torch.save(training_checkpoint(), tmp_path / "epoch_1.pth")
    assert "state_dict" in CheckpointLoader.load_checkpoint(str(tmp_path / "epoch_1.pth"), map_location="cpu")


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_checkpoint_fills_a_whole_model(prefix):
    model, source = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
    weights = {prefix + key: value for key, value in source.state_dict().items()}
    with pytest.raises(InputError, match=r"a\.pth does not fit Linear: other is unexpected$"):
        load_strictly(model, weights | dict(other=torch.ones(1)), "a.pth")
    assert not torch.equal(model.weight, source.weight)
    load_strictly(model, dict(state_dict=weights | dict(other=torch.ones(1))), "a.pth", allow_unexpected=True)
    assert torch.equal(model.weight, source.weight) and torch.equal(model.bias, source.bias)


def test_missing_and_misshapen_weights_are_named_and_nothing_is_loaded():
    model = torch.nn.Linear(2, 3)
    before = model.weight.clone()
    with pytest.raises(InputError, match=r"a\.pth.*bias is missing; weight has shape \(5, 2\), expected \(3, 2\)"):
        load_strictly(model, dict(weight=torch.ones(5, 2)), "a.pth")
    with pytest.raises(InputError, match=r"bias is missing$"):
        load_strictly(model, dict(weight=torch.ones(3, 2)), "a.pth")
    assert torch.equal(model.weight, before)


def test_only_counters_of_batches_may_be_missing():
    model, source = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    weights = {key: value + 3 for key, value in source.state_dict().items() if key != "num_batches_tracked"}
    wrapped = torch.nn.Sequential(model)
    load_strictly(wrapped, {f"0.{key}": value for key, value in weights.items()}, "a.pth")
    assert torch.equal(model.running_mean, weights["running_mean"]) and model.num_batches_tracked == 0
    del weights["running_mean"]
    with pytest.raises(InputError, match=r"0\.running_mean is missing$"):
        load_strictly(wrapped, {f"0.{key}": value for key, value in weights.items()}, "a.pth")


def test_a_checkpoint_is_written_as_a_whole(tmp_path):
    save_checkpoint(dict(state_dict=dict(a=torch.ones(2))), tmp_path / "deep/a.pth")
    assert load_checkpoint_file(tmp_path / "deep/a.pth")["state_dict"]["a"].tolist() == [1, 1]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.pth"]


@pytest.mark.parametrize("content", [b"image 1 2 3\n", b"epoch: 7\n", b"\x80\x04"])
def test_a_file_that_is_no_checkpoint_is_named(content, tmp_path):
    (tmp_path / "text.pkl").write_bytes(content)
    with pytest.raises(InputError, match=r"text\.pkl .*no .*PyTorch checkpoint"):
        load_checkpoint_file(str(tmp_path / "text.pkl"))


def test_failed_download_names_the_variable_of_a_local_copy(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def fail(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    published = {
        match
        for path in ROOT.glob("configs/_base_/**/*.py")
        for match in re.findall(r"\{\{\$(\w+):(https[^}]+)\}\}", path.read_text())
    }
    assert len(published) == 5
    for variable, url in published:
        with pytest.raises(InputError, match=rf"no network.*environment variable {variable} to a local copy"):
            load_checkpoint_file(url)
    with pytest.raises(InputError, match="give a local copy by --weights, or --detector-weights"):
        load_checkpoint_file("https://example.invalid/own.pth")
