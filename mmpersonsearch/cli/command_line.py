"""What the commands' command lines share: types of arguments, and how wrong input ends a command."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


def positive(text: str) -> int:
    """A whole number >= 1.

    Raises:
        ValueError: It is none; argparse makes a message of it.
    """
    number = int(text)
    if number < 1:
        raise ValueError
    return number


@contextmanager
def exit_on_bad_input(command: str) -> Iterator[None]:
    """End a command with a message in place of a traceback where a file or a value is wrong.

    Args:
        command: Its name, which begins the message.

    Raises:
        SystemExit: In place of an ``OSError`` or ``ValueError``, with its message.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        sys.exit(f"{command}: {error}")
