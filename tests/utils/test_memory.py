import ctypes
import sys

import pytest

from mmpersonsearch.utils.memory import keep_freed_memory


def test_options_of_glibc(monkeypatch):
    asked = []

    class Library:
        def __init__(self, name):
            assert name is None

        def mallopt(self, key, value):
            asked.append((key, value))
            return 1

    monkeypatch.setattr(ctypes, "CDLL", Library)
    assert keep_freed_memory() and asked == [(-4, 0), (-1, 2**31 - 1)]  # M_MMAP_MAX, M_TRIM_THRESHOLD
    del Library.mallopt  # another C library
    assert not keep_freed_memory()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
def test_there_is_such_a_function():
    assert ctypes.CDLL(None).mallopt
