"""The model zoo is written from the configs, the papers' tables and the records; all of it is there."""

import copy
import re

import count_complexity
import pytest
import write_method_pages
from tiny_models import ROOT
from zoo_page import check_papers, make_zoo

# Rows of each table as the papers print them.
ROWS = {
    "TDN": {"I": 17, "II": 3, "III": 7, "IV": 4, "V": 6, "VI": 2, "VII": 2},
    "OIM, QEEPS": {"1": 11, "2a": 8, "2b": 5, "3": 12},
    "FDPS": {"1": 4, "2": 4, "3": 13},
    "I-Net": {"1": 30, "2": 19, "3": 6, "4": 4, "5": 5, "6": 4, "7": 4, "8": 3},
    "DeSKPro": {"1": 9, "2": 11, "3": 9},
}
# Numbers read off the papers here and there: paper, table, row, column.
PRINTED = [
    ("TDN", "I", "PSFL", "PRW top-1", 85.2),
    ("TDN", "III", "OIM* only w/ teacher", "PRW mAP", 51.0),
    ("TDN", "VII", "TDN", "total", 101.6),
    ("OIM, QEEPS", "1", "OIM, KD_det and KD_reid, lambda_oim 0.1", "detection mAP", 83.2),
    ("OIM, QEEPS", "3", "OIM, KD_reid from QEEPS_50, lambda_oim 0.1", "top-1", 83.0),
    ("FDPS", "2", "+ l_neg", "recall", 96.3),
    ("I-Net", "2", "LDCF + IDE_det + CWS", "top-1", 45.5),
    ("I-Net", "8", "4-input", "OLP + C2HEP, top-1", 87.0),
    ("DeSKPro", "2", "Shu et al.", "same-clothes mAP", 96.7),
]


@pytest.fixture(scope="module")
def sources():
    return write_method_pages.read_sources()


@pytest.fixture(scope="module")
def tables(sources):
    """The papers' tables by a method of the paper and the table's number."""
    return {
        key: {table["name"].removeprefix("Table "): table for table in paper["tables"]}
        for key in ROWS
        for paper in sources.papers
        if f"({key}" in paper["paper"]
    }


def test_the_papers_tables_are_there_in_full(tables):
    counted = {paper: {name: len(table["rows"]) for name, table in of.items()} for paper, of in tables.items()}
    assert counted == ROWS
    for paper, name, method, column, value in PRINTED:
        table = tables[paper][name]
        (row,) = [row for row in table["rows"] if row["method"] == method]
        assert row["paper"][table["columns"].index(column)] == value


def test_the_page_keeps_ours_and_theirs_apart(sources):
    page = make_zoo(sources)
    titles = re.findall(r"^## (.*)", page, re.M)
    assert titles == ["Weights", "Our results", "Configs", "The papers' tables"]
    parts = dict(zip(titles, re.split(r"^## .*", page, flags=re.M)[1:], strict=True))
    assert len(re.findall(r"^\| `", parts["Our results"], re.M)) == len({one["method"] for one in sources.records})
    rows = sum(sum(table.values()) for table in ROWS.values())
    assert len(re.findall(r"^\| (?!---|method)", parts["The papers' tables"], re.M)) == rows
    assert "research only" in next(line for line in parts["Weights"].splitlines() if "msmt_bot" in line)
    linked = re.findall(r"\]\(\.\./([\w./-]+)", page)
    assert linked and not [path for path in linked if not (ROOT / path).exists()]
    listed = re.findall(r"\(\.\./([^)]+\.py)\)", parts["Configs"])
    of_papers = count_complexity.list_papers_configs().values()
    assert sorted(listed) == sorted(str(path.relative_to(ROOT)) for path in of_papers)


def test_numbers_that_disagree_are_found(sources):
    def broken(change):
        wrong = copy.deepcopy(sources)
        change(wrong)
        with pytest.raises(ValueError) as raised:
            check_papers(wrong)
        return str(raised.value)

    def row(one):
        return one.papers[0]["tables"][0]["rows"][0]

    assert "DPM+IDE: not one number a column" in broken(lambda one: row(one)["paper"].pop())
    assert "no config ['nowhere']" in broken(lambda one: row(one).update(configs=["nowhere"]))
    tdn = next(one for one in sources.methods["tdn"]["rows"] if one["config"] == "tdn_r50ibn_prw_mgn-teacher")
    where = sources.methods["tdn"]["rows"].index(tdn)
    found = broken(lambda one: one.methods["tdn"]["rows"][where].update(paper=[71.5, 92.7]))
    assert found == "tdn/method.yml: tdn_r50ibn_prw_mgn-teacher: papers.yml has not {71.5}"


def test_sizes_are_todays_models():
    """A few; ``python tools/count_complexity.py`` counts all anew."""
    names = ["tdn_r50ibn_prw_distill-final", "inet_vgg16_cuhk", "light-mbn_osnet_prw", "faster-rcnn_bot_prw"]
    count_complexity.main(["--check", *names])


def test_a_size_that_changed_is_named(monkeypatch, tmp_path):
    kept = count_complexity.FILE.read_text()
    monkeypatch.setattr(count_complexity, "FILE", tmp_path / "complexity.json")
    (name,) = re.findall(r'^"(inet_vgg16_cuhk)"', kept, re.M)
    count_complexity.FILE.write_text(re.sub(r'("inet_vgg16_cuhk": \{"parameters": )\d+', r"\g<1>1", kept))
    with pytest.raises(SystemExit, match=f"not up to date: \\['{name}'\\]"):
        count_complexity.main(["--check", name])
