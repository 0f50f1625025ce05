"""The error of wrong input, which commands tell apart from a bug."""


class InputError(ValueError):
    """A file, an argument or a config of the user's is wrong; the message names it and what was expected.

    Commands print it as one line and exit with status 2, as for a ``FileNotFoundError``. Any other error is a bug and
    keeps its traceback.
    """
