"""Tables of made-up records."""

from synthetic_records import make_record

from projects.synthetic_benchmark.run import tables
from projects.synthetic_benchmark.run.data_stages import METRICS
from projects.synthetic_benchmark.run.records import read_records
from projects.synthetic_benchmark.run.tables import make_summary, make_tables


def test_tables_have_mean_and_spread_over_seeds_in_the_papers_order():
    lines = [
        make_record("inet", 0, 0.1),
        make_record("tdn-bot", 0, 0.5, curve=[[400, 0.4], [800, 0.5]]),
        make_record("tdn-bot", 1, 0.6, curve=[[800, 0.6]]),
        make_record("oim-star", 0, 0.2, curve=[[800, 0.2]]),
    ]
    sizes = {"oim-star": dict(images_per_second=12.34, million_parameters=13.8, gflops=5.41)}
    tdn, _, inet = (part.splitlines() for part in make_tables(lines, sizes).partition("## I-Net"))
    assert tdn[0] == "## TDN, its components and teachers, two-step models (800 iterations)"
    assert tdn[2].startswith("| method | mAP | top-1 |")
    assert tdn[4] == "| OIM* | 20.0 | 50.0 | 50.0 | 50.0 | 50.0 | 1 | 12.3 | 13.8 | 5.4 |"
    # standard deviation of a sample of 50 and 60: sqrt(2 * 25)
    assert tdn[5].startswith("| TDN, BoT | 55.0 ± 7.1 | 50.0 ± 0.0 |") and tdn[5].endswith("| 2 |  |  |  |")
    assert tdn[-5:-1] == [
        "| iterations | 400 | 800 |",
        "| --- | --- | --- |",
        "| OIM* |  | 20.0 |",
        "| TDN, BoT | 40.0 | 50.0 |",
    ]
    assert inet[-1].startswith("| I-Net | 10.0 |")


def test_a_detector_has_a_row_without_search_metrics():
    of_search = [name for name in METRICS if not name.startswith("det")]
    runs = [make_record("det-r50", i, 0) for i in range(2)]
    runs = [{key: value for key, value in run.items() if key not in of_search} for run in runs]
    (row,) = make_tables(runs, {}).splitlines()[4:]
    assert row == "| DET_50 |  |  |  |  | 50.0 ± 0.0 | 2 |  |  |  |"


def test_runs_of_another_budget_are_not_compared():
    lines = [make_record("tdn-bot", 0, 0.5), make_record("baseline", 0, 0.9, budget=0.1)]
    assert "baseline" not in make_tables(lines, {}) and "TDN, BoT" in make_tables(lines, {})


def test_only_the_tables_of_the_pages_are_replaced(tmp_path, monkeypatch):
    pages = [tmp_path / "README.md", tmp_path / "tables.md"]
    for page, name in zip(pages, ("SUMMARY_PAGE", "TABLES_PAGE")):
        page.write_text(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n")
        monkeypatch.setattr(tables, name, page)
    monkeypatch.setattr(tables, "read_records", lambda: [make_record("oim-star", 0, 0.2)])
    tables.write_tables()
    for page in pages:
        text = page.read_text()
        assert text.startswith("before\n<!--") and text.endswith("-->\nafter\n") and "old" not in text
        assert "| OIM* | 20.0 |" in text


def test_the_pages_tables_are_of_todays_records():
    assert make_summary(read_records()) in tables.SUMMARY_PAGE.read_text()
    assert make_tables(read_records(), tables.read_sizes()) in tables.TABLES_PAGE.read_text()
