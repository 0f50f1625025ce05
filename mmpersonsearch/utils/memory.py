"""Memory of this process."""

import ctypes

# Numbers of the parameters in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Have the C library keep what is freed, for the next allocation; for the whole process.

    A network frees and allocates maps of tens of megabytes in each layer. By default the kernel takes such pages back
    and fills fresh ones with zeros, a fifth of the time of testing on a CPU. The process then holds the most that it
    ever needed.

    Returns:
        Whether this C library (glibc) can.
    """
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # no such function, as in musl; no library of this name, as in Windows
        return False
    return bool(set_option(_MMAP_MAX, 0) and set_option(_TRIM_THRESHOLD, 2**31 - 1))
