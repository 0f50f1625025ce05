"""Shared parts of the commands: arguments, errors of input, tables and result files.

Functions import other packages themselves, so that ``mmpersonsearch --help`` and ``configs`` start at once.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from argparse import SUPPRESS, ArgumentError, ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mmpersonsearch.utils.errors import InputError, SharedError
from mmpersonsearch.utils.files import check_out, write_json_file, write_whole

_VARIABLES: dict[str, str] = {}  # those of the configs that were read, with their defaults
CONFIG_HELP = "config file, or the name of one, such as tdn_r50ibn_prw"


class CommandError(SystemExit):
    """Exit with status 2 because of wrong input; the text is the message that was printed."""

    def __init__(self, message: str, status: int = 2) -> None:
        super().__init__(message)
        self.code = status


@contextmanager
def exit_on_bad_input(command: str) -> Iterator[None]:
    """Replace an error of input by a printed line and exit status 2, an interruption by one and status 130.

    Errors of input are ``InputError``, and missing or forbidden files. The line also names the variables of the
    environment from which the config has a path that the error names.

    Args:
        command: Its name, which begins the message.

    Raises:
        CommandError: The input is wrong.
    """
    try:
        yield
    except (InputError, FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError) as error:
        text = _original_message(str(error))
        message = _cut(f"{command}: {text}{name_variables(text)}")
        if not isinstance(error, SharedError):
            print(message, file=sys.stderr)
        raise CommandError(message) from error
    except KeyboardInterrupt as error:
        message = f"{command}: interrupted"
        print(f"\n{message}", file=sys.stderr)
        raise CommandError(message, status=130) from error


def _cut(message: str) -> str:
    """Cut the middle out of a message that shows too much of a file."""
    return message if len(message) <= 3000 else f"{message[:1500]} ... {message[-1000:]}"


def _original_message(text: str) -> str:
    """Take the message of an error out of the traceback in which PyTorch wraps what a data loader's worker raises."""
    if " in DataLoader worker process " not in text.partition("\n")[0]:
        return text
    return re.split(r"^[\w.]+Error: ", text, flags=re.MULTILINE)[-1].strip()


def remember_variables(config_text: str) -> None:
    """Remember the variables ``{{$NAME:default}}`` of a config's text, for :func:`exit_on_bad_input`."""
    _VARIABLES.update(re.findall(r"\{\{\s*\$(\w+):([^}]*?)\s*\}\}", config_text))


def read_variable(name: str, default: str) -> str:
    """Read a variable of the environment as configs do, and remember it like theirs."""
    _VARIABLES[name] = default
    return os.environ.get(name, default)


def name_variables(message: str) -> str:
    """Name the variables of the environment whose values are in a message, with the absolute paths that they mean."""
    parts = []
    for name, default in _VARIABLES.items():
        value = os.environ.get(name, default).strip("'\" ")
        if value != "none" and len(value.strip("/.")) > 2 and value.rstrip("/") in message:
            origin = "is set to" if name in os.environ else "is not set, by default"
            place = "" if "://" in value or os.path.isabs(value) else f", which is {os.path.abspath(value)}"
            parts.append(f"{name} {origin} {value}{place}")
    return f" ({'; '.join(parts)})" if parts else ""


def make_parser(verb: str, description: str, **kwargs: Any) -> ArgumentParser:
    """Make the parser of a command, which keeps the line breaks of the description."""
    return ArgumentParser(
        f"mmpersonsearch {verb}", description=description, formatter_class=RawDescriptionHelpFormatter, **kwargs
    )


def add_config(parser: ArgumentParser, help: str = CONFIG_HELP) -> None:
    """Add the config and ``--cfg-options``."""
    parser.add_argument("config", help=help)
    add_config_options(parser)


def add_config_options(parser: ArgumentParser) -> None:
    """Add ``--cfg-options``: a dictionary of dotted keys, or None."""
    from mmengine.config import DictAction

    class Options(DictAction):
        """MMEngine's, whose errors are argparse's: one line and exit status 2."""

        def __call__(
            self, parser: ArgumentParser, namespace: Namespace, values: list[str], option_string: str | None = None
        ) -> None:
            for value in values:
                if not value.partition("=")[0] or "=" not in value:
                    raise ArgumentError(self, f"expected KEY=VALUE, got {value!r}")
            try:
                super().__call__(parser, namespace, values, option_string)
            except AssertionError as error:
                raise ArgumentError(self, str(error)) from None

    parser.add_argument(
        "--cfg-options",
        nargs="+",
        action=Options,
        metavar="KEY=VALUE",
        help="override keys of the config, such as train_dataloader.batch_size=2",
    )
    parser.add_argument(
        "--allow-new-keys", action="store_true", help="accept keys of --cfg-options that nothing is known to read"
    )


def add_data_set(parser: ArgumentParser) -> None:
    """Add the choice of one of a joint test split's data sets."""
    parser.add_argument("--data-set", metavar="NAME", help="of a config that tests several data sets, the one to take")


def add_launcher(parser: ArgumentParser) -> None:
    """Add the work dir and the arguments of distributed runs."""
    parser.add_argument("--work-dir", help="folder for logs and results (work_dirs/<config's name>)")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    # torchrun and torch.distributed.launch pass the rank on this machine in one spelling or the other.
    parser.add_argument("--local_rank", "--local-rank", type=int, default=0, help=SUPPRESS)


def add_device(parser: ArgumentParser) -> None:
    """Add ``--device``, the accelerator by default."""
    from mmengine.device import get_device

    help_text = "such as cpu or cuda:1; default: %(default)s"
    parser.add_argument("--device", type=device, default=get_device(), help=help_text)


def device(text: str) -> str:
    """Read the name of a device that this machine has.

    Raises:
        ArgumentTypeError: There is no such device.
    """
    import torch

    try:
        torch.empty(0, device=text)
    except (RuntimeError, AssertionError):  # the latter from a PyTorch without CUDA
        raise ArgumentTypeError(f"expected a device of this machine such as cpu or cuda:0, got {text!r}") from None
    return text


def positive(text: str) -> int:
    """Read an integer >= 1; for errors see :func:`read_number`."""
    return read_number(text, int, lambda number: number >= 1, "an integer of 1 or more")


def count(text: str) -> int:
    """Read an integer >= 0."""
    return read_number(text, int, lambda number: number >= 0, "an integer of 0 or more")


def seed(text: str) -> int:
    """Read an integer in [0, 2^32)."""
    return read_number(text, int, lambda number: 0 <= number < 2**32, "an integer from 0 to 4294967295")


def fraction(text: str) -> float:
    """Read a number in [0, 1]."""
    return read_number(text, float, lambda number: 0 <= number <= 1, "a number from 0 to 1")


def share(text: str) -> float:
    """Read a number in (0, 1]."""
    return read_number(text, float, lambda number: 0 < number <= 1, "a number above 0, at most 1")


def inner_fraction(text: str) -> float:
    """Read a number in (0, 1)."""
    return read_number(text, float, lambda number: 0 < number < 1, "a number between 0 and 1")


def read_number(text: str, kind: type, fits: Callable[[Any], bool], expected: str) -> Any:
    """Read a number of a kind that fits.

    Raises:
        ArgumentTypeError: The text is something else; the parser's message names the option and what is expected.
    """
    try:
        number = kind(text)
    except ValueError:
        number = None
    if number is None or not fits(number):
        raise ArgumentTypeError(f"expected {expected}, got {text!r}")
    return number


def add_runs(parser: ArgumentParser) -> None:
    """Add the predictions of runs."""
    parser.add_argument("runs", nargs="+", metavar="NAME=PREDICTIONS.pkl", help="name in the figure, and file")
    parser.add_argument(
        "--allow-different-protocols", action="store_true", help="accept predictions for other annotation files"
    )


def parse_runs(words: Sequence[str], file: str = "PREDICTIONS.pkl") -> dict[str, str]:
    """Read ``['TDN=tdn.pkl']`` as ``{'TDN': 'tdn.pkl'}``.

    Raises:
        InputError: A word is malformed, or a name is repeated.
    """
    runs: dict[str, str] = {}
    for word in words:
        name, _, path = word.partition("=")
        if not name or not path:
            raise InputError(f"expected NAME={file}, got {word!r}")
        if name in runs:
            raise InputError(f"two runs have the name {name!r}: {runs[name]} and {path}")
        runs[name] = path
    return runs


def add_figure(parser: ArgumentParser) -> None:
    """Add the output files of a figure."""
    parser.add_argument(
        "--out", required=True, metavar="FIGURE_STEM", help="path of the files to write, without .png, .svg and .json"
    )


def check_figure(stem: str, *inputs: str) -> None:
    """Check that :func:`save_figure` can write its files, none of them one of the inputs; see :func:`check_out`."""
    for suffix in ("png", "svg", "json"):
        check_out(f"{stem}.{suffix}", *inputs)


def save_figure(figure: Any, numbers: dict[str, Any], stem: str) -> None:
    """Write a figure as ``<stem>.png`` and ``.svg``, without a date, and its numbers as ``.json``."""
    from matplotlib import rc_context

    for suffix, metadata in (("png", {}), ("svg", {"Date": None})):
        content = io.BytesIO()
        with rc_context({"svg.hashsalt": "mmpersonsearch"}):
            figure.savefig(content, format=suffix, dpi=300, metadata=metadata)
        write_whole(f"{stem}.{suffix}", content.getvalue())
    write_json_file(f"{stem}.json", numbers)
    print(f"Figure: {stem}.png, {stem}.svg; numbers: {stem}.json")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table.

    Args:
        title: Title.
        columns: Headings; the first column is left-aligned, the others right-aligned.
        rows: Cells: text, integers, floats, which are rounded to three digits, or None for an empty cell.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if c is None else f"{c:.3g}" if isinstance(c, float) else str(c) for c in row))
    Console().print(table)


def write_json(path: str | None, content: Mapping[str, Any]) -> None:
    """Write the result of a command, if a path is given."""
    if path:
        write_whole(path, (json.dumps(content, indent=2) + "\n").encode())
        print(f"Result: {path}")
