"""The errors of wrong input."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What code raises that meets other content than it expects.
_OF_CONTENT = (
    *(TypeError, ValueError, LookupError, AttributeError, ArithmeticError),
    *(AssertionError, RecursionError, RuntimeError, MemoryError, EOFError),
)


class InputError(ValueError):
    """Error of a file, an argument or a config; the message names it and what was expected.

    Commands print the message and exit with status 2, as for a ``FileNotFoundError``; other errors keep a traceback.
    """


class SharedError(InputError):
    """What ends a process because another one found wrong input, which prints the message."""


@contextmanager
def damage_named(where: str | Path) -> Iterator[None]:
    """Name a file, or a place in it, in the errors of reading it.

    Raises:
        InputError: The block stumbled over the content; its message is in it, cut where it is long.
    """
    try:
        yield
    except InputError:
        raise
    except _OF_CONTENT as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"{where} is damaged, or of another format: {text[:300]}") from error
