"""Write each method's metafile.yml, and the table of configs and results in its README, from its method.yml.

``configs/<method>/method.yml`` says what a config is in the paper, and has the paper's results. Names come from the
config files, our results from the records of ``projects/synthetic_benchmark``, whose own metafile is written as well.

python tools/write_method_pages.py [--check]
"""

import argparse
import fnmatch
import json
import sys
from pathlib import Path
from statistics import mean

import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = "projects/synthetic_benchmark"
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


def read_our_results() -> dict[str, dict[str, float]]:
    """Read the means over the seeds, in percent, by name of the config."""
    runs: dict[str, list[dict]] = {}
    for line in (ROOT / PROJECT / "results/runs.jsonl").read_text().splitlines():
        record = json.loads(line)
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
        ours: See :func:`read_our_results`.

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
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))


def _show(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def make_metafile(method: dict, paths: list[str], ours: dict[str, dict[str, float]]) -> str:
    """Make a metafile: the collections, and each config in one of them with our results."""
    collections = [{key: value for key, value in one.items() if key != "Configs"} for one in method["collections"]]
    weights = {row["config"]: row["weights"] for row in method.get("rows", []) if "weights" in row}
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
        if name in weights:
            model["Weights"] = weights[name]
        if name in ours:
            metrics = {key: ours[name][key] for key in ("mAP", "top-1")}
            model["Results"] = [{"Task": "Person Search", "Dataset": data, "Metrics": metrics}]
        models.append(model)
    return NOTE + yaml.safe_dump({"Collections": collections, "Models": models}, sort_keys=False, width=110)


def make_pages() -> dict[Path, str]:
    """Make the text of all files that are written, by path."""
    ours = read_our_results()
    pages = {}
    for path in sorted((ROOT / "configs").glob("*/method.yml")):
        method, names = yaml.safe_load(path.read_text()), list_names(path.parent)
        paths = [f"configs/{path.parent.name}/{name}.py" for name in names]
        pages[path.parent / "metafile.yml"] = make_metafile(method, paths, ours)
        readme = path.parent / "README.md"
        before, _, rest = readme.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        pages[readme] = f"{before}{BEGIN}\n\n{make_table(method, names, ours)}\n\n{END}{after}"
    project = ROOT / PROJECT
    method = yaml.safe_load((project / "configs/method.yml").read_text())
    folders = sorted(path for path in (project / "configs").iterdir() if path.is_dir() and path.name != "_base_")
    paths = [f"{PROJECT}/configs/{folder.name}/{name}.py" for folder in folders for name in list_names(folder)]
    pages[project / "metafile.yml"] = make_metafile(method, paths, ours)
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
