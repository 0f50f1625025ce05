"""Check of the number of identities that heads are built with."""

from mmpersonsearch.utils.errors import InputError


def require_num_ids(num_ids: int | None, part: object) -> int:
    """Return ``num_ids``; raise InputError if a config leaves it to the data, which MODELS.build does not know."""
    if num_ids is None:
        raise InputError(
            f"{type(part).__name__}: num_ids is None, expected the number of training identities; the commands "
            "train, test and check take it from the training set or the checkpoint"
        )
    return num_ids
