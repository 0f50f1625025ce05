"""Tables of the results in Markdown, and the pages that they stand in."""

from __future__ import annotations

from pathlib import Path
from statistics import mean, stdev

from mmpersonsearch.utils.files import write_whole

from .data_stages import METRICS
from .methods import COMPARISONS, METHODS
from .records import has_todays_budget, read_records, read_sizes
from .stages import PROJECT

SUMMARY_PAGE = PROJECT / "README.md"
TABLES_PAGE = PROJECT / "results/tables.md"
BEGIN, END = "<!-- tables: written by run/benchmark.py -->", "<!-- end of tables -->"


def make_tables(records: list[dict], sizes: dict[str, dict[str, float]]) -> str:
    """Make one section for each comparison that has runs.

    Args:
        records: See :func:`read_records`.
        sizes: See :func:`read_sizes`; what was not measured is left empty.
    """
    sections = []
    for comparison in COMPARISONS:
        if runs := _runs_of(comparison.methods, records):
            iterations = max(run["iterations"] for run in runs)
            sections += [f"## {comparison.title} ({iterations} iterations)", make_table(runs, sizes)]
            if curves := make_learning_curves(runs):
                sections += ["Learning curves, mAP of seed 0:", curves]
    return "\n\n".join(sections)


def make_table(records: list[dict], sizes: dict[str, dict[str, float]]) -> str:
    """Make a table of each method's runs: mean and standard deviation over the seeds, size and speed.

    Detectors have no search metrics.
    """
    header = ["method", "mAP", "top-1", "mAP, RCP", "top-1, RCP", "detection AP"]
    header += ["seeds", "images/s", "million parameters", "GFLOPs"]
    rows = []
    for name, runs in _by_method(records).items():
        size = [f"{value:.1f}" for value in sizes[name].values()] if name in sizes else [""] * 3
        rows.append([METHODS[name].title, *_cells(runs, list(METRICS)[:5]), str(len(runs)), *size])
    return _in_markdown(header, rows)


def make_summary(records: list[dict]) -> str:
    """Make one table of all comparisons with the main metrics."""
    keys = ("mAP", "top-1", "mAP_rcp", "det_ap")
    rows = []
    for comparison in COMPARISONS:
        by_method = _by_method(_runs_of(comparison.methods, records))
        rows += [[METHODS[name].title, *_cells(runs, keys), str(len(runs))] for name, runs in by_method.items()]
    return _in_markdown(["method", "mAP", "top-1", "mAP, RCP", "detection AP", "seeds"], rows)


def make_learning_curves(records: list[dict]) -> str:
    """Make a table of the mAP in validations during training; empty where no record has any."""
    curves = {run["method"]: dict(run["curve"]) for run in records if run["curve"] and run["seed"] == 0}
    if not curves:
        return ""
    steps = sorted({step for curve in curves.values() for step in curve})
    rows = [
        [method.title, *(f"{100 * curves[name][step]:.1f}" if step in curves[name] else "" for step in steps)]
        for name, method in METHODS.items()
        if name in curves
    ]
    return _in_markdown(["iterations", *map(str, steps)], rows)


def write_tables() -> None:
    """Replace the tables in the pages by those of today's records."""
    records = read_records()
    _replace(SUMMARY_PAGE, make_summary(records))
    _replace(TABLES_PAGE, make_tables(records, read_sizes()))


def _replace(page: Path, tables: str) -> None:
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    write_whole(page, f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}".encode())


def _runs_of(methods: dict, records: list[dict]) -> list[dict]:
    return [record for record in records if record["method"] in methods and has_todays_budget(record)]


def _by_method(records: list[dict]) -> dict[str, list[dict]]:
    runs = {name: [record for record in records if record["method"] == name] for name in METHODS}
    return {name: found for name, found in runs.items() if found}


def _cells(runs: list[dict], keys: list[str] | tuple[str, ...]) -> list[str]:
    return [_mean_and_spread([100 * run[key] for run in runs if key in run]) for key in keys]


def _mean_and_spread(values: list[float]) -> str:
    if not values:
        return ""
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def _in_markdown(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))
