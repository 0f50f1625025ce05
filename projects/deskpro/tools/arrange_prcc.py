"""Arrange PRCC's archive in the folders that the configs expect, by hard links, or copies on another file system.

python -m projects.deskpro.tools.arrange_prcc PRCC/rgb data/prcc

rgb/train/<person>/<camera>_<frame>.jpg becomes imgs/bounding_box_train/<person>_c<camera>_<frame>.jpg;
rgb/test/<camera>/<person>/<frame>.jpg goes to imgs/bounding_box_test of camera A, the gallery, else to imgs/query. The
images of rgb/val, of the persons of train, are in no protocol. What is there already is left as it is.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mmpersonsearch.cli.command_line import exit_on_bad_input
from mmpersonsearch.datasets.readers.files import check_file
from mmpersonsearch.utils.errors import InputError

_SUFFIXES = (".jpg", ".jpeg", ".png")
_FORMS = {
    "train": re.compile(r"(?P<person>\d+)/(?P<camera>[ABC])_(?P<frame>[^/]+)"),
    "test": re.compile(r"(?P<camera>[ABC])/(?P<person>\d+)/(?P<frame>[^/]+)"),
}


def list_places(rgb: Path) -> Iterator[tuple[Path, str]]:
    """Yield each image of train and test, and its place below ``imgs``.

    Raises:
        FileNotFoundError: A folder is missing.
        InputError: An image has another name, or there is none.
    """
    for split, form in _FORMS.items():
        folder = check_file(rgb / split, "a folder of PRCC's archive")
        images = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
        if not images:
            raise InputError(f"{folder} has no images")
        for path in images:
            match = form.fullmatch(path.relative_to(folder).as_posix())
            if match is None:
                expected = "<person>/<camera>_<frame>.jpg" if split == "train" else "<camera>/<person>/<frame>.jpg"
                raise InputError(f"{path}: expected {folder}/{expected}, cameras A, B and C")
            gallery = "bounding_box_test" if match["camera"] == "A" else "query"
            part = "bounding_box_train" if split == "train" else gallery
            yield path, f"{part}/{match['person']}_c{match['camera']}_{match['frame']}"


def place(source: Path, target: Path) -> str:
    """Link, else copy, a file; returns ``'linked'``, ``'copied'`` or ``'there already'``.

    Raises:
        InputError: There is another file in its place.
    """
    if target.exists():
        if not filecmp.cmp(source, target, shallow=False):
            raise InputError(f"{target} is there already, and is not {source}")
        return "there already"
    try:
        os.link(source, target)
    except OSError:  # of two file systems, or of one without hard links
        unfinished = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copy2(source, unfinished)
        os.replace(unfinished, target)
        return "copied"
    return "linked"


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rgb", type=Path, help="folder rgb of the archive, with train and test")
    parser.add_argument("root", type=Path, help="folder of the data set, such as data/prcc")
    args = parser.parse_args(argv)
    with exit_on_bad_input("arrange_prcc.py"):
        places = list(list_places(args.rgb))
        for part in {target.partition("/")[0] for _, target in places}:
            (args.root / "imgs" / part).mkdir(parents=True, exist_ok=True)
        done = Counter(place(source, args.root / "imgs" / target) for source, target in places)
    print(f"{args.root / 'imgs'}: " + ", ".join(f"{number} {how}" for how, number in done.items()))


if __name__ == "__main__":
    main()
