import json

import pytest
import torch
from painted_persons import PaintedNetwork, paint

from mmpersonsearch.apis.calibration import Calibration, find_calibration
from mmpersonsearch.cli import calibrate
from mmpersonsearch.utils.errors import InputError

PEOPLE = dict(red=(10, 10, 20, 40), blue=(40, 5, 52, 35), green=(60, 10, 70, 40))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A labelled set of five pictures of red and blue; green is known to nobody."""
    monkeypatch.setattr("mmpersonsearch.models.exported_networks._open_session", PaintedNetwork)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    for part in ("detector", "reid"):
        (tmp_path / f"{part}.onnx").write_text(part)
    images, annotations = [], []
    for i, shown in enumerate((["red", "blue"], ["red"], ["blue", "green"], ["red"], [])):
        paint(tmp_path / f"images/{i}.png", **{name: PEOPLE[name] for name in shown})
        images.append(dict(id=i, file_name=f"{i}.png", width=96, height=64))
        for name in shown:
            x1, y1, x2, y2 = PEOPLE[name]
            person = dict(red=3, blue=9, green=None)[name]
            box = dict(image_id=i, bbox=[x1, y1, x2 - x1, y2 - y1], person_id=person, category_id=1)
            annotations.append(dict(box, id=len(annotations)))
    content = dict(images=images, annotations=annotations, categories=[dict(id=1, name="person")])
    (tmp_path / "own.json").write_text(json.dumps(content))
    return tmp_path


def run_calibrate(place, *arguments):
    parts = [f"--{part}-weights={place / part}.onnx" for part in ("detector", "reid")]
    options = ["model.detector.decoded=True", "model.reid.mean=(0,0,0)", "model.reid.std=(1,1,1)"]
    data = ["--dataset", "COCO", "--data-root", str(place), "--ann-file", "own.json", "--img-prefix", "images"]
    calibrate.main([*data, "--split", "train", "--device", "cpu", *parts, *arguments, "--cfg-options", *options])


def test_the_least_similarity_is_stored_with_the_model(place, capsys):
    run_calibrate(place)
    (file,) = (place / "hub/mmpersonsearch").iterdir()
    stored = json.loads(file.read_text())
    assert stored["min_similarity"] > 0.99 and stored["model"] == "two-step_exported"
    assert stored["criterion"] == f"false positive rate <= 0.01 on {place / 'own.json'}"
    assert find_calibration(stored["fingerprint"]) == Calibration(**stored)
    assert find_calibration("sha256:other") is None
    output = capsys.readouterr().out
    assert f"Least similarity: {stored['min_similarity']:.3f}" in output and str(file) in output
    run_calibrate(place, "--precision", "0.1", "--max-queries", "2")
    assert find_calibration(stored["fingerprint"]).min_similarity < 0.5
    file.write_text("{}")
    with pytest.raises(InputError, match="is no calibration"):
        find_calibration(stored["fingerprint"])


def test_bad_data_stores_nothing(place, capsys):
    (place / "images/3.png").write_bytes(b"no picture")
    with pytest.raises(SystemExit) as ended:
        run_calibrate(place)
    assert ended.value.code == 2 and "3.png cannot be decoded" in capsys.readouterr().err
    assert not (place / "hub").exists()
