"""Types of command-line arguments."""


def positive(text: str) -> int:
    """A whole number >= 1.

    Raises:
        ValueError: It is none; argparse makes a message of it.
    """
    number = int(text)
    if number < 1:
        raise ValueError
    return number
