"""Write each method's metafile.yml, the table of configs and results in its README, and docs/model_zoo.md.

``configs/<method>/method.yml`` says what a config is in the paper, and has the paper's results; ``configs/papers.yml``
has the papers' tables. Names come from the config files, our results from the records of
``projects/synthetic_benchmark``, whose own metafile is written as well, and sizes from ``configs/complexity.json``
(``tools/count_complexity.py``).

python tools/write_method_pages.py [--check]
"""

import argparse
import fnmatch
import json
import sys
from pathlib import Path
from statistics import mean

import yaml
from zoo_page import PROJECT, Sources, in_markdown, make_zoo

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- table: written by tools/write_method_pages.py from method.yml -->", "<!-- end of table -->"
NOTE = "# Written by tools/write_method_pages.py.\n"
DATA = {
    "prw-cuhk": "PRW + CUHK-SYSU",
    "prw-mini": "PRW-mini",
    "prw": "PRW",
    "cuhk": "CUHK-SYSU",
    "posetrack21": "PoseTrack21",
    "synth": "synthetic",
    "coco_msmt17": "COCO, MSMT17",
    "exported": "the networks' own",
}


def read_sources() -> Sources:
    """Read what the pages are made of."""
    results = ROOT / PROJECT / "results"
    methods = {path.parent.name: _read_yaml(path) for path in sorted((ROOT / "configs").glob("*/method.yml"))}
    paths = [
        *ROOT.glob("configs/*/*.py"),
        *ROOT.glob("projects/*/configs/*.py"),
        *ROOT.glob(f"{PROJECT}/configs/*/*.py"),
    ]
    return Sources(
        methods=methods,
        papers=_read_yaml(ROOT / "configs/papers.yml"),
        records=[json.loads(line) for line in (results / "runs.jsonl").read_text().splitlines()],
        sizes=json.loads((results / "sizes.json").read_text()),
        complexity=json.loads((ROOT / "configs/complexity.json").read_text()),
        files={path.stem: str(path.relative_to(ROOT)) for path in paths if path.parent.name != "_base_"},
    )


def _read_yaml(path: Path) -> dict | list:
    return yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def average(records: list[dict]) -> dict[str, dict[str, float]]:
    """Compute the means over the seeds, in percent, by name of the config."""
    runs: dict[str, list[dict]] = {}
    for record in records:
        runs.setdefault(Path(record["config"]).stem, []).append(record)
    keys = ("mAP", "top-1", "mAP_rcp", "top-1_rcp")
    return {
        name: {
            key: round(100 * mean(record[key] for record in records), 1)
            for key in keys
            if all(key in record for record in records)  # a search by pairs has no RCP
        }
        for name, records in runs.items()
        if all("mAP" in record for record in records)
    }


def list_names(folder: Path) -> list[str]:
    """Return the names of the configs in a folder."""
    return sorted(path.stem for path in folder.glob("*.py"))


def data_of(name: str) -> str:
    """Return the data set that a config is for, by its name."""
    return next(title for key, title in DATA.items() if f"_{key}" in name)


def make_table(method: dict, names: list[str], ours: dict[str, dict[str, float]]) -> str:
    """Make the table of a method's README.

    Args:
        method: Content of ``method.yml``.
        names: Names of the configs in its folder; each must have a row.
        ours: See :func:`average`.

    Raises:
        ValueError: A config has no row, or a row's config does not exist.
    """
    listed = {row["config"] for row in method["rows"]}
    if listed != set(names):
        raise ValueError(
            f"method.yml: no row for {sorted(set(names) - listed)}, no config {sorted(listed - set(names))}"
        )
    with_ours = any(row.get("synthetic") for row in method["rows"])
    header = ["method", "config", "data", "where", *(f"{metric}, paper" for metric in method["metrics"])]
    header += ["mAP, ours (synthetic)", "top-1, ours (synthetic)"] if with_ours else []
    rows = []
    for row in method["rows"]:
        name, _, ranking = row.get("synthetic", "").partition("@")
        found = ours.get(name, {})
        paper = row.get("paper", [None] * len(method["metrics"]))
        cells = [row["method"], f"`{row['config']}`", data_of(row["config"]), row.get("where", ""), *map(_show, paper)]
        suffix = f"_{ranking}" if ranking else ""
        rows.append(cells + [_show(found.get(f"{key}{suffix}")) for key in ("mAP", "top-1")] * with_ours)
    return in_markdown(header, rows)


def _show(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def make_metafile(
    method: dict, paths: list[str], ours: dict[str, dict[str, float]], complexity: dict[str, dict[str, int | None]]
) -> str:
    """Make a metafile: the collections, and each config in one of them with its size, the paper's results and ours."""
    collections = [{key: value for key, value in one.items() if key != "Configs"} for one in method["collections"]]
    weights = {row["config"]: row["weights"] for row in method.get("rows", []) if "weights" in row}
    printed = {row["config"]: row["paper"] for row in reversed(method.get("rows", [])) if "paper" in row}
    models = []
    for path in paths:
        name = Path(path).name.removesuffix(".py")
        owner = next(one for one in method["collections"] if any(fnmatch.fnmatch(name, p) for p in one["Configs"]))
        data = data_of(name)
        model = {
            "Name": name,
            "In Collection": owner["Name"],
            "Config": path,
            "Metadata": {"Training Data": data},
        }
        size = complexity.get(name, {})
        counted = {"Parameters": size.get("parameters"), "FLOPs": size.get("flops")}
        model["Metadata"] |= {key: value for key, value in counted.items() if value}
        if name in printed:
            metrics = zip(method["metrics"], printed[name], strict=True)
            model["Metadata"]["Results in the Paper"] = {key: value for key, value in metrics if value is not None}
        if name in weights:
            model["Weights"] = list(weights[name])
            model["Metadata"]["Terms of the Weights"] = list(weights[name].values())
        if name in ours:
            metrics = {key: ours[name][key] for key in ("mAP", "top-1")}
            model["Results"] = [{"Task": "Person Search", "Dataset": data, "Metrics": metrics}]
        models.append(model)
    return NOTE + yaml.safe_dump({"Collections": collections, "Models": models}, sort_keys=False, width=110)


def make_pages() -> dict[Path, str]:
    """Make the text of all files that are written, by path."""
    sources = read_sources()
    ours = average(sources.records)
    pages = {ROOT / "docs/model_zoo.md": make_zoo(sources)}
    for folder, method in sources.methods.items():
        names = list_names(ROOT / "configs" / folder)
        paths = [f"configs/{folder}/{name}.py" for name in names]
        pages[ROOT / "configs" / folder / "metafile.yml"] = make_metafile(method, paths, ours, sources.complexity)
        readme = ROOT / "configs" / folder / "README.md"
        before, _, rest = readme.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        pages[readme] = f"{before}{BEGIN}\n\n{make_table(method, names, ours)}\n\n{END}{after}"
    project = ROOT / PROJECT
    method = _read_yaml(project / "configs/method.yml")
    folders = sorted(path for path in (project / "configs").iterdir() if path.is_dir() and path.name != "_base_")
    paths = [f"{PROJECT}/configs/{folder.name}/{name}.py" for folder in folders for name in list_names(folder)]
    of_config = {Path(record["config"]).stem: sources.sizes.get(record["method"]) for record in sources.records}
    sizes = {
        name: dict(parameters=round(1e6 * size["million_parameters"]), flops=round(1e9 * size["gflops"]))
        for name, size in of_config.items()
        if size
    }
    pages[project / "metafile.yml"] = make_metafile(method, paths, ours, sizes)
    return pages


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file would change")
    args = parser.parse_args(argv)
    changed = {path: text for path, text in make_pages().items() if not path.exists() or path.read_text() != text}
    if args.check and changed:
        names = ", ".join(str(path.relative_to(ROOT)) for path in changed)
        sys.exit(f"tools/write_method_pages.py: not up to date: {names}")
    for path, text in changed.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
