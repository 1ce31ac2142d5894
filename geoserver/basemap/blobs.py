"""What a file of OpenStreetMap is by its first bytes, and a sample of it, as quick for a large as for a small one.

The PBF format is a row of blobs of some thousand things each: https://wiki.openstreetmap.org/wiki/PBF_Format.
"""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Iterator
from pathlib import Path

__all__ = ["find_format", "read_samples"]

_PEEK = 4096  # bytes
_LARGEST_HEADER, _LARGEST_BLOB = 64 << 10, 32 << 20  # by the specification
_KIND, _SIZE = 1, 3  # fields of a blob's header
_BYTES = 2  # a field's wire type
_COMPRESSED: dict[bytes, tuple[str, type[gzip.GzipFile | bz2.BZ2File]]] = {
    b"\x1f\x8b": ("osm.gz", gzip.GzipFile),
    b"BZh": ("osm.bz2", bz2.BZ2File),
}
_NO_EXTRACT = "is no extract of OpenStreetMap: expected .osm.pbf, or .osm, .osm.gz, .osm.bz2"


def find_format(path: Path) -> str:
    """The format as osmium calls it. Raises ValueError that says what is expected instead."""
    with path.open("rb") as file:
        begin = file.read(_PEEK)
    if not begin:
        raise ValueError("is empty; download it again")
    if begin[4:6] == b"\x0a\x09" and begin[6:15] == b"OSMHeader":
        return "pbf"
    name = "osm"
    for sign, (compressed, unpack) in _COMPRESSED.items():
        if begin.startswith(sign):
            name = compressed
            try:
                with unpack(path) as file:
                    begin = file.read(_PEEK)
            except (OSError, EOFError) as error:
                raise ValueError(f"ends too early, or is broken ({error}); download it again") from None
    if b"<osmChange" in begin:
        raise ValueError("holds changes to an extract (.osc); take the extract itself")
    if b"<osm" not in begin:
        raise ValueError(_NO_EXTRACT)
    return name


def read_samples(path: Path, most: int) -> Iterator[bytes]:
    """Some blobs from all over a PBF file, each as a small file of its own. Raises ValueError where it is cut off."""
    blobs = list(_find_blobs(path))
    data = blobs[1:]
    step = max(1, len(data) // most)
    with path.open("rb") as file:
        header = file.read(blobs[0][1])
        for at, size in data[step // 2 :: step]:
            file.seek(at)
            yield header + file.read(size)


def _find_blobs(path: Path) -> Iterator[tuple[int, int]]:
    """Where each begins, and its size; the first is the file's header."""
    whole = path.stat().st_size
    at = 0
    with path.open("rb") as file:
        while at < whole:
            file.seek(at)
            length = int.from_bytes(file.read(4), "big")
            if length > _LARGEST_HEADER:
                raise ValueError("is broken; download it again")
            size = 4 + length + _read_size(file.read(length))
            if at + size > whole:
                raise ValueError("ends too early; download it again")
            yield at, size
            at += size


def _read_size(header: bytes) -> int:
    """Bytes of the blob that follows its header."""
    at = size = 0
    try:
        while at < len(header):
            tag, at = _read_number(header, at)
            value, at = _read_number(header, at)
            if tag & 7 == _BYTES:
                at += value
            elif tag >> 3 == _SIZE:
                size = value
    except IndexError:
        raise ValueError("ends too early, or is broken; download it again") from None
    if size > _LARGEST_BLOB:
        raise ValueError("is broken; download it again")
    return size


def _read_number(data: bytes, at: int) -> tuple[int, int]:
    """A varint, and where the next thing is."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        shift += 7
        if byte < 128:  # noqa: PLR2004 - the last of a number
            return value, at
