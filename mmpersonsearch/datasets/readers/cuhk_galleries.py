"""Reader of CUHK-SYSU's galleries, ``TestG50.mat`` to ``TestG4000.mat``.

A file is an array of structs, one per query, whose field ``Gallery`` is an array of structs, one per image. Through
scipy the largest becomes 35 million arrays, which takes minutes and 13 GB. Here the file is decompressed query by
query, and of the galleries only names and boxes are decoded.

The format is that of MathWorks' "MAT-File Format" (level 5): a data element is a tag of two 32 bit numbers, its type
and its number of bytes, and the data, padded to 8 bytes; up to 4 bytes of data fit into the tag's second number, with
the number of bytes in the upper half of the first. The data of an element of the type ``miMATRIX`` are elements
themselves: flags, dimensions, name and then the numbers, the text, or the matrices in cells or fields.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np

from mmpersonsearch.utils.errors import InputError

from .files import check_file
from .mat_files import require_fields

_MATRIX, _COMPRESSED = 14, 15
_STRUCT_CLASS = 2
_NUMBER_TYPES = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
_TEXT_ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le"}
_CHUNK = 1 << 16
_LARGEST = 1 << 27  # bytes of an element; a query with a gallery of 4,000 images has about 2^21


@dataclass
class GalleryRecord:
    """One query with its gallery.

    Attributes:
        idname: Name of the identity.
        image: Name of the query's image.
        xywh: (4,) float64 box of the query as in the file.
        gallery: (G,) int32 indices of the gallery's images among the known names.
        present: (P,) int64 positions in the gallery of the images that show the person.
        true_xywh: (P, 4) float64 boxes of the person there as in the file.
    """

    idname: str
    image: str
    xywh: np.ndarray
    gallery: np.ndarray
    present: np.ndarray
    true_xywh: np.ndarray


def read_galleries(path: str | Path, key: str, names: list[str]) -> Iterator[GalleryRecord]:
    """Yield the queries of the variable ``key``, ``TestG<size>``; galleries refer to the ``names`` of all images.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: The file is no MATLAB file of version 5 to 7, lacks the variable or a field, or a gallery has an
            image that is not among the names.
    """
    path = check_file(path, f"a MATLAB file with the variable {key}")
    # Texts are compared as they are in the file, which saves decoding millions of them.
    index = {name.encode(code): i for code in set(_TEXT_ENCODINGS.values()) for i, name in enumerate(names)}
    where = str(path)
    try:
        with path.open("rb") as file:
            stream = _find_variable(file, key)
            # Flags, dimensions and name have been read.
            fields = _field_names(stream.element(), stream.element())
            require_fields(fields, ("Query", "Gallery"), key)
            for i in range(1, stream.count + 1):
                where = f"{path}, query {i}"
                entry = {field: stream.element() for field in fields}
                yield _read_record(entry["Query"], entry["Gallery"], index)
    except (ValueError, IndexError, TypeError, OverflowError, MemoryError, zlib.error) as error:
        raise InputError(f"{where}: {error}") from error


def _read_record(query: bytes, gallery: bytes, index: dict[bytes, int]) -> GalleryRecord:
    query_fields = _struct_fields(query, ("imname", "idlocate", "idname"))
    if len(query_fields["imname"]) != 1:
        raise InputError(f"Query has {len(query_fields['imname'])} entries, expected 1")
    fields = _struct_fields(gallery, ("imname", "idlocate"))
    present = np.flatnonzero(_sizes(gallery, fields["idlocate"]))
    true_xywh = [_box(gallery, fields["idlocate"][i]) for i in present]
    return GalleryRecord(
        idname=_text(query, query_fields["idname"][0]),
        image=_text(query, query_fields["imname"][0]),
        xywh=_box(query, query_fields["idlocate"][0]),
        gallery=_lookup(gallery, fields["imname"], index),
        present=present,
        true_xywh=np.array(true_xywh, dtype=np.float64).reshape(-1, 4),
    )


class _Stream:
    """Stream of one variable's bytes, decompressed when they are read."""

    def __init__(self, file: BufferedReader, compressed: bool) -> None:
        self.count = 0
        self._file = file
        self._buffer = bytearray()
        self._unzip = zlib.decompressobj() if compressed else None

    def read(self, size: int) -> bytes:
        if size > _LARGEST:
            raise InputError(f"an element of {size} bytes, expected at most {_LARGEST}")
        while len(self._buffer) < size:
            chunk = self._file.read(_CHUNK if self._unzip else size - len(self._buffer))
            if not chunk:
                raise InputError("the file ends too early")
            self._buffer += self._unzip.decompress(chunk) if self._unzip else chunk
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def element(self) -> bytes:
        """Data of the next element, without its tag."""
        tag = self.read(8)
        kind, size = np.frombuffer(tag, "<u4").tolist()
        if kind >> 16:
            return tag[4 : 4 + (kind >> 16)]
        return self.read(size + (-size % 8))[:size]


def _find_variable(file: BufferedReader, key: str) -> _Stream:
    header = file.read(128)
    if len(header) < 128 or header[124:128] != b"\0\1IM":
        raise InputError("not a MATLAB file of version 5 to 7 (little-endian)")
    found = []
    while tag := file.read(8):
        kind, size = np.frombuffer(tag, "<u4").tolist()
        end = file.tell() + size
        stream = _Stream(file, compressed=kind == _COMPRESSED)
        if kind == _COMPRESSED:
            kind = int(np.frombuffer(stream.read(8), "<u4")[0])
        if kind == _MATRIX:
            stream.element()
            stream.count = int(np.prod(np.frombuffer(stream.element(), "<i4")))
            found.append(stream.element().decode("latin-1"))
            if found[-1] == key:
                return stream
        file.seek(end)
    raise InputError(f"no variable {key}, only {found}")


def _field_names(length: bytes, data: bytes) -> list[str]:
    length = int(np.frombuffer(length, "<i4")[0])
    return [data[i : i + length].split(b"\0")[0].decode("latin-1") for i in range(0, len(data), length)]


def _elements(data: bytes, start: int, count: int) -> tuple[list[tuple[int, bytes]], int]:
    """Types and data of consecutive elements, and the start of the next one."""
    found = []
    for _ in range(count):
        kind, size = np.frombuffer(data, "<u4", 2, start).tolist()
        first, end = start + 8, start + 8 + size + (-size % 8)
        if kind >> 16:
            kind, size, first, end = kind & 0xFFFF, kind >> 16, start + 4, start + 8
        found.append((kind, data[first : first + size]))
        start = end
    return found, start


def _struct_fields(data: bytes, expected: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Where each entry's matrix starts, for each of the expected fields of a struct array's data."""
    elements, start = _elements(data, 0, 5)
    flags, dims, _, length, names = (content for _, content in elements)
    if flags[0] != _STRUCT_CLASS:
        raise InputError(f"Query and Gallery must be structs, not MATLAB's class {flags[0]}")
    fields = _field_names(length, names)
    require_fields(fields, expected, "the struct")
    count = int(np.prod(np.frombuffer(dims, "<i4")))
    starts = _chain(data, start, count * len(fields)).reshape(-1, len(fields))
    return {name: starts[:, fields.index(name)] for name in expected}


def _chain(data: bytes, start: int, count: int) -> np.ndarray:
    """(count,) starts of consecutive matrices, each of which tells where the next one is."""
    words = memoryview(data).cast("I")
    if not 0 <= count <= len(words) // 2:
        raise InputError(f"{count} matrices, more than there is data")
    starts, word = [0] * count, start // 4
    for i in range(count):
        starts[i] = word
        word += 2 + words[word + 1] // 4
    if word > len(words):
        raise InputError("the last matrix is truncated")
    starts = np.array(starts, dtype=np.int64)
    if (np.frombuffer(data, "<u4")[starts] != _MATRIX).any():
        raise InputError("expected matrices in a struct's fields")
    return 4 * starts


def _content(data: bytes, start: int) -> tuple[int, bytes]:
    """Type and bytes of a matrix' numbers or text, which follow its flags, dimensions and name."""
    return _elements(data, start + 8, 4)[0][-1]


def _sizes(data: bytes, starts: np.ndarray) -> np.ndarray:
    """Number of elements of each matrix; one of no bytes at all is empty as well."""
    words = np.frombuffer(data, "<i4")
    # Behind the tag (2 words) come the flags (4 words) and the dimensions' tag (2 words).
    place = starts // 4
    nonempty = words[place + 1] > 0
    dims = np.where(nonempty, place + 8, 0)
    return np.where(nonempty, words[dims] * words[dims + 1], 0)


def _box(data: bytes, start: int) -> np.ndarray:
    kind, content = _content(data, start)
    numbers = np.frombuffer(content, _NUMBER_TYPES[kind]).astype(np.float64) if kind in _NUMBER_TYPES else []
    if len(numbers) != 4 or not np.isfinite(numbers).all():
        raise InputError(f"idlocate {list(numbers)}, expected x, y, w, h")
    return numbers


def _text(data: bytes, start: int) -> str:
    kind, content = _content(data, start)
    if kind not in _TEXT_ENCODINGS:
        raise InputError("imname or idname is no text")
    return content.decode(_TEXT_ENCODINGS[kind])


def _lookup(data: bytes, starts: np.ndarray, index: dict[bytes, int]) -> np.ndarray:
    """Index of each matrix' text."""
    words = np.frombuffer(data, "<u4")
    # A matrix of two dimensions without a name: its text's tag is 12 words behind its own.
    tags = starts // 4 + 12
    small = words[tags] >> 16
    first = 4 * tags + np.where(small, 4, 8)
    last = first + np.where(small, small, words[tags + 1])
    found = [index.get(data[a:b], -1) for a, b in zip(first.tolist(), last.tolist())]
    if -1 in found:
        name = _text(data, int(starts[found.index(-1)]))
        raise InputError(f"gallery image {name!r} is not in Images.mat")
    return np.array(found, dtype=np.int32)
