"""Write the mini protocol of a set that was drawn before it had one: a query of each test identity, 40 scenes for each.

python -m projects.synthetic_benchmark.generator.mini data/synth
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from mmpersonsearch.cli.command_line import exit_on_bad_input
from mmpersonsearch.datasets import PRWDataset
from mmpersonsearch.structures import SearchProtocol
from mmpersonsearch.utils.own_files import OwnFiles

QUERIES, GALLERIES = "mini_query_info.txt", "mini_galleries.txt"
SIZE = 40


def choose_mini(protocol: SearchProtocol, rng: np.random.Generator) -> dict[int, list[str]]:
    """Choose, of each identity's queries, the first, and the ``SIZE`` scenes that it is searched in.

    At most half of the scenes show the person, if there are others; the order is random.

    Returns:
        Names of the scenes by index of the query.
    """
    first = {query.person_id: i for i, query in reversed(list(enumerate(protocol.queries)))}
    galleries = {}
    for i in sorted(first.values()):
        query = protocol.queries[i]
        scenes = [scene for scene in protocol.images if scene.img_id != query.img_id]
        with_person = [query.person_id in scene.person_ids for scene in scenes]
        order = [scenes[k].img_id for k in sorted(rng.permutation(len(scenes)), key=lambda k: not with_person[k])]
        number = min(sum(with_person), SIZE // 2)
        chosen = order[:number] + order[sum(with_person) :][: SIZE - number]
        galleries[i] = [chosen[k] for k in rng.permutation(len(chosen))]
    return galleries


def write_mini(root: Path) -> None:
    """Write the files of the mini protocol into the folder of a set; the same set gives the same files."""
    galleries = choose_mini(PRWDataset(str(root), split="test").metainfo["search_protocol"], np.random.default_rng(0))
    lines = (root / "query_info.txt").read_text().splitlines()
    (root / QUERIES).write_text("".join(f"{lines[i]}\n" for i in galleries))
    (root / GALLERIES).write_text("".join(" ".join(names) + "\n" for names in galleries.values()))


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder of the set")
    root = parser.parse_args(argv).root.resolve()
    with exit_on_bad_input("python -m projects.synthetic_benchmark.generator.mini"):
        own_files, files = OwnFiles(root, "synthetic-set"), (root / QUERIES, root / GALLERIES)
        own_files.remove(*files)
        with own_files.recording(*files):
            write_mini(root)
    print(f"Mini protocol: {root / QUERIES}, {root / GALLERIES}")


if __name__ == "__main__":
    main()
