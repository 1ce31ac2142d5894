"""A zip of files that are not compressed, laid out before it is written: its size is known, and any part can be had.

As APPNOTE.TXT has it, with sizes beyond 32 bits (zip64) where they are needed.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

__all__ = ["Entry", "Zip", "entry_of"]

_BLOCK = 1 << 18
_LARGE = 0xFFFFFFFF
_MANY = 0xFFFF
_VERSION = 45  # of the format: with zip64
_UNIX = 3 << 8
_UTF8 = 0x800
_PLAIN_FILE = 0o100644 << 16
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: its name in the zip, size and CRC-32, and its bytes, or where they lie."""

    name: str
    size: int
    crc: int
    content: bytes | Path


def entry_of(name: str, content: bytes) -> Entry:
    return Entry(name, len(content), zlib.crc32(content), content)


class Zip:
    """`size` is that of all of it, `digest` the same for the same files; `moment` is the time of each of them."""

    def __init__(self, entries: Sequence[Entry], moment: datetime) -> None:
        date = (max(moment.year, 1980) - 1980) << 9 | moment.month << 5 | moment.day
        self._stamp = (moment.hour << 11 | moment.minute << 5 | moment.second // 2, date)
        self._parts: list[tuple[int, bytes | Path, int]] = []  # where each begins, what it is, its size
        self.size = 0
        directory = bytearray()
        for entry in entries:
            directory += self._build_central(entry, self.size)
            self._add(self._build_local(entry))
            self._parts.append((self.size, entry.content, entry.size))
            self.size += entry.size
        start = self.size
        self.digest = bytes(directory)  # with the name, size, place and CRC-32 of each
        self._add(self.digest)
        self._add(_build_end(len(entries), len(directory), start))

    def blocks(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` up to, not including, `end`. Raises OSError where a file is cut or gone."""
        for at, content, size in self._parts:
            first, last = max(start - at, 0), min(end - at, size)
            if first >= last:
                continue
            if isinstance(content, bytes):
                yield content[first:last]
                continue
            with content.open("rb") as file:
                file.seek(first)
                while first < last:
                    block = file.read(min(_BLOCK, last - first))
                    if not block:
                        raise OSError(f"{content.name} became shorter")
                    first += len(block)
                    yield block

    def _add(self, part: bytes) -> None:
        self._parts.append((self.size, part, len(part)))
        self.size += len(part)

    def _build_local(self, entry: Entry) -> bytes:
        name, large = entry.name.encode(), entry.size >= _LARGE
        size = _LARGE if large else entry.size
        extra = struct.pack("<2H2Q", 1, 16, entry.size, entry.size) if large else b""
        head = (b"PK\x03\x04", _VERSION, _UTF8, 0, *self._stamp, entry.crc, size, size, len(name), len(extra))
        return _LOCAL.pack(*head) + name + extra

    def _build_central(self, entry: Entry, offset: int) -> bytes:
        name, size, place = entry.name.encode(), entry.size, offset
        values = []
        if entry.size >= _LARGE:
            values, size = [entry.size, entry.size], _LARGE
        if offset >= _LARGE:
            values, place = [*values, offset], _LARGE
        extra = struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values) if values else b""
        head = (b"PK\x01\x02", _UNIX | _VERSION, _VERSION, _UTF8, 0, *self._stamp, entry.crc, size, size)
        return _CENTRAL.pack(*head, len(name), len(extra), 0, 0, 0, _PLAIN_FILE, place) + name + extra


def _build_end(count: int, size: int, start: int) -> bytes:
    end = _END.pack(b"PK\x05\x06", 0, 0, *[min(count, _MANY)] * 2, min(size, _LARGE), min(start, _LARGE), 0)
    if count < _MANY and max(size, start) < _LARGE:
        return end
    whole = _END64.pack(b"PK\x06\x06", 44, _UNIX | _VERSION, _VERSION, 0, 0, count, count, size, start)
    return whole + _LOCATOR.pack(b"PK\x06\x07", 0, start + size, 1) + end
