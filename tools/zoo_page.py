"""The page docs/model_zoo.md: our results, the configs with their size, and the papers' tables of results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

PROJECT = "projects/synthetic_benchmark"
HEAD = """<!-- Written by tools/write_method_pages.py. -->
# Model zoo

Three kinds of numbers stand apart: **[ours](#our-results)**, of models trained by this package; **[sizes](#configs)**
of all configs, counted by it; and **[the papers'](#the-papers-tables)**, their authors' results. Nobody has trained the
configs of PRW and CUHK-SYSU on the full sets with this package yet.

## Weights

{weights}

The other configs have no published weights. Who publishes some checks the terms of the data first: most sets of
persons, such as PRW, CUHK-SYSU and MSMT17, are for research only. Backbones start from ImageNet's or IBN-Net's
published weights, which are downloaded once.

## Our results

The papers' methods, smaller, on the [synthetic set](../projects/synthetic_benchmark/README.md): drawn persons, in PRW's
form. Percent, mean and standard deviation over the seeds 0, 1, ...; RCP is TDN's ranking. Images a second, parameters
and GFLOPs are of an image of 336x192 pixels with four persons, on two cores of an AMD EPYC. A row is trained and tested
again by

```bash
python -m projects.synthetic_benchmark.run.benchmark --methods METHOD --seeds 0 1 2
```

{ours}

On real video frames: [projects/pets09](../projects/pets09/README.md). Photos with drawn tattoos:
[projects/tattoo_search](../projects/tattoo_search/README.md). Drawn persons who change clothes:
[projects/deskpro](../projects/deskpro/README.md).

## Configs

Million parameters of the model as it is tested, teachers left out; GFLOPs of an image of 960x600 pixels with ten
persons, RPN included, whatever size the config trains at; of a Re-ID model, of a crop of 256x128; of a two-step model,
with ten crops (`python tools/count_complexity.py`). The last column says where the paper has the config's numbers.

{configs}

## The papers' tables

The papers' numbers, in percent where nothing else is said, with the configs of the same method; a row without a config
is another work's, as the paper quotes it.

{papers}
"""


@dataclass
class Sources:
    """What the page is made of.

    Attributes:
        methods: Folder below ``configs`` and content of its ``method.yml``.
        papers: Content of ``configs/papers.yml``.
        records: Lines of the synthetic benchmark's ``results/runs.jsonl``.
        sizes: Its ``results/sizes.json``: by method ``images_per_second``, ``million_parameters`` and ``gflops``.
        complexity: ``configs/complexity.json``: by config ``parameters`` and ``flops``.
        files: Path of each config below the repository's root, by name.
    """

    methods: dict[str, dict]
    papers: list[dict]
    records: list[dict]
    sizes: dict[str, dict[str, float]]
    complexity: dict[str, dict[str, int | None]]
    files: dict[str, str]


def make_zoo(sources: Sources) -> str:
    """Make the page.

    Raises:
        ValueError: See :func:`check_papers`.
    """
    check_papers(sources)
    return HEAD.format(
        weights=_weights(sources),
        ours=_our_results(sources),
        configs="\n\n".join(_configs(folder, method, sources) for folder, method in sources.methods.items()),
        papers="\n\n".join(_paper(paper, sources) for paper in sources.papers),
    )


def check_papers(sources: Sources) -> None:
    """Compare the papers' tables with the configs and with each ``method.yml``.

    Raises:
        ValueError: A row has another number of cells than its table has columns, or names no config; or a
            ``method.yml`` has numbers of a table that no row of its config has.
    """
    rows = [row for paper in sources.papers for table in paper["tables"] for row in table["rows"]]
    for paper in sources.papers:
        for table in paper["tables"]:
            for row in table["rows"]:
                if len(row["paper"]) != len(table["columns"]):
                    raise ValueError(f"papers.yml: {table['name']}, {row['method']}: not one number a column")
    if unknown := [name for row in rows for name in row.get("configs", []) if name not in sources.files]:
        raise ValueError(f"papers.yml: no config {unknown}")
    for folder, method in sources.methods.items():
        for row in method["rows"]:
            if not row.get("where", "").startswith("table"):
                continue
            numbers = {value for value in row["paper"] if value is not None}
            printed = {value for one in rows if row["config"] in one.get("configs", []) for value in one["paper"]}
            if not numbers <= printed:
                raise ValueError(f"{folder}/method.yml: {row['config']}: papers.yml has not {numbers - printed}")


def in_markdown(header: list[str], rows: list[list[str]]) -> str:
    """Make a table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))


def _link(name: str, sources: Sources) -> str:
    return f"[`{name}`](../{sources.files[name]})"


def _number(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _spread(values: list[float]) -> str:
    if not values:
        return ""
    return f"{100 * mean(values):.1f}" + (f" ± {100 * stdev(values):.1f}" if len(values) > 1 else "")


def _weights(sources: Sources) -> str:
    rows = [
        [
            _link(row["config"], sources),
            f"[{url.rpartition('/')[2]}]({url})",
            terms.replace("research only", "**research only**"),
        ]
        for method in sources.methods.values()
        for row in method["rows"]
        for url, terms in row.get("weights", {}).items()
    ]
    return in_markdown(["config", "file, not ours", "trained on, terms"], rows)


def _our_results(sources: Sources) -> str:
    runs: dict[str, list[dict]] = {}
    for record in sources.records:
        runs.setdefault(record["method"], []).append(record)
    rows = []
    for method, of_method in sorted(runs.items(), key=lambda one: one[1][0]["config"]):
        size = sources.sizes.get(method, {})
        machines = sorted({run["machine"].partition(", ")[2].partition("(")[0] for run in of_method})
        metrics = [
            _spread([run[key] for run in of_method if key in run])
            for key in ("mAP", "top-1", "mAP_rcp", "top-1_rcp", "det_ap")
        ]
        measured = [_number(size.get(key)) for key in ("images_per_second", "million_parameters", "gflops")]
        name = _link(Path(of_method[0]["config"]).stem, sources)
        rows.append([f"`{method}`", name, *metrics, str(len(of_method)), *measured, ", ".join(machines)])
    header = ["METHOD", "config", "mAP", "top-1", "mAP, RCP", "top-1, RCP", "detection AP", "seeds", "images/s"]
    return in_markdown([*header, "million parameters", "GFLOPs", "trained on"], rows)


def _configs(folder: str, method: dict, sources: Sources) -> str:
    rows = []
    where: dict[str, list[str]] = {}
    for row in method["rows"]:
        where.setdefault(row["config"], []).append(row.get("where", ""))
    titles = {row["config"]: row["method"] for row in reversed(method["rows"])}
    for name, places in where.items():
        size = sources.complexity[name]
        flops = None if size["flops"] is None else size["flops"] / 1e9
        parameters = size["parameters"] / 1e6 if size["parameters"] else None  # exported networks have none
        cells = [titles[name], _number(parameters), _number(flops)]
        rows.append([_link(name, sources), *cells, places[0]])
    table = in_markdown(["config", "method", "million parameters", "GFLOPs", "in the paper"], rows)
    return f"### {folder}\n\n[How to train and test](../configs/{folder}/README.md)\n\n{table}"


def _paper(paper: dict, sources: Sources) -> str:
    parts = [f"### {paper['paper']}"]
    for table in paper["tables"]:
        note = f" {table['note']}" if "note" in table else ""
        rows = [
            [
                row["method"].replace("*", r"\*"),
                *map(_number, row["paper"]),
                ", ".join(_link(name, sources) for name in row.get("configs", [])),
            ]
            for row in table["rows"]
        ]
        parts.append(f"**{table['name']}.** {table['title']}.{note}")
        parts.append(in_markdown(["method", *table["columns"], "configs here"], rows))
    return "\n\n".join(parts)
