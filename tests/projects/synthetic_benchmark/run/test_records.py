"""Records of runs, learning curves and sizes."""

import json
from types import SimpleNamespace

from synthetic_records import make_record

from projects.synthetic_benchmark.run import records
from projects.synthetic_benchmark.run.methods import METHODS


def test_what_is_measured_is_put_beside_what_was(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "SIZES", tmp_path / "sizes.json")
    measured = dict(images_per_second=4.0, million_parameters=2.0, gflops=3.0)
    (tmp_path / "sizes.json").write_text(json.dumps({"fdps": measured, "inet": measured}))
    answer = json.dumps({"results": [dict(measured, images_per_second=8.0, milliseconds={})]})
    configs = []

    def run(command, **kwargs):
        configs.append(command[2])
        return SimpleNamespace(stdout=f"progress\n{answer}\n")

    monkeypatch.setattr(records.subprocess, "run", run)
    records.measure_sizes(["inet"])
    assert configs == [METHODS["inet"].config]
    assert records.read_sizes() == {"fdps": measured, "inet": dict(measured, images_per_second=8.0)}


def test_a_curve_is_read_over_interruptions(tmp_path):
    for i, points in enumerate(([(100, 0.1)], [(200, 0.25), (300, 0.3)])):
        log = tmp_path / f"run{i}/vis_data/scalars.json"
        log.parent.mkdir(parents=True)
        lines = [{"loss": 1.0, "step": 10}, *({"person_search/mAP": mAP, "step": step} for step, mAP in points)]
        log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert records.read_curve(tmp_path) == [[100, 0.1], [200, 0.25], [300, 0.3]]


def test_a_record_replaces_the_older_one_of_the_same_run(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RUNS", tmp_path / "runs.jsonl")
    for record in (make_record("inet", 0, 0.1), make_record("inet", 1, 0.2), make_record("inet", 0, 0.3)):
        written = records.add_record(record)
    assert [(one["seed"], one["mAP"]) for one in written] == [(1, 0.2), (0, 0.3)]
    assert [one["mAP"] for one in records.read_records()] == [0.2, 0.3]
