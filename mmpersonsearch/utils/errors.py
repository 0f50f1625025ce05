"""The error of wrong input."""


class InputError(ValueError):
    """Error of a file, an argument or a config; the message names it and what was expected.

    Commands print the message and exit with status 2, as for a ``FileNotFoundError``; other errors keep a traceback.
    """
