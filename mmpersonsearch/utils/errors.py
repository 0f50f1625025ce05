"""The errors of wrong input."""


class InputError(ValueError):
    """Error of a file, an argument or a config; the message names it and what was expected.

    Commands print the message and exit with status 2, as for a ``FileNotFoundError``; other errors keep a traceback.
    """


class SharedError(InputError):
    """What ends a process because another one found wrong input, which prints the message."""
