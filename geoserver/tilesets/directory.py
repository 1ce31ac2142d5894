"""A directory of a PMTiles archive: which tile lies where. PMTiles 3, sections 4 and 5.

The library's own reader makes an object of every entry and takes a directory of any size; this one keeps arrays, so
that many directories can stay in memory, and stops at a size.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_right
from dataclasses import dataclass

__all__ = ["Directory", "inflate"]

MAX_BYTES = 4_000_000  # of a directory when unpacked; the usual ones hold some 4,000 entries in 40 kB


def inflate(packed: bytes, limit: int) -> bytes:
    """The content of a gzip member of at most `limit` bytes; raises ValueError for more, or for what is no gzip."""
    reader = zlib.decompressobj(wbits=31)
    try:
        plain = reader.decompress(packed, limit)
    except zlib.error as error:
        raise ValueError("damaged gzip data") from error
    if not reader.eof:
        raise ValueError(
            f"more than {limit:,} bytes, or cut off" if len(plain) >= limit else "gzip data that is cut off"
        )
    return plain


@dataclass(frozen=True, slots=True)
class Directory:
    """Entries in order of their tile ids; a run of 0 points to another directory."""

    ids: array[int]
    runs: array[int]
    lengths: array[int]
    offsets: array[int]

    def __len__(self) -> int:
        return len(self.ids)

    def find(self, tile_id: int) -> tuple[int, int, int] | None:
        """Offset, length and run of the entry that holds this tile, or leads to it; None when none does."""
        at = bisect_right(self.ids, tile_id) - 1
        if at < 0 or (self.runs[at] and tile_id >= self.ids[at] + self.runs[at]):
            return None
        return self.offsets[at], self.lengths[at], self.runs[at]

    @classmethod
    def parse(cls, data: bytes) -> Directory:
        """From the bytes of a directory, unpacked; raises ValueError when they are none."""
        numbers = _read_varints(data)
        count = numbers[0] if numbers else 0
        if not count or len(numbers) != 1 + 4 * count:
            raise ValueError("a damaged directory")
        try:
            ids, runs, lengths, offsets = array("Q"), array("Q"), array("Q"), array("Q")
            at = 0
            for step in numbers[1 : 1 + count]:
                at += step
                ids.append(at)
            runs.extend(numbers[1 + count : 1 + 2 * count])
            lengths.extend(numbers[1 + 2 * count : 1 + 3 * count])
            for index, number in enumerate(numbers[1 + 3 * count :]):
                if not number and not index:
                    raise ValueError("a damaged directory")
                offsets.append(number - 1 if number else offsets[-1] + lengths[index - 1])
        except OverflowError as error:
            raise ValueError("a damaged directory") from error
        if not all(lengths):
            raise ValueError("a damaged directory")
        return cls(ids, runs, lengths, offsets)


def _read_varints(data: bytes) -> list[int]:
    numbers = []
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        if byte & 128:
            shift += 7
            if shift > 63:  # noqa: PLR2004 - bits of the largest number
                raise ValueError("a damaged directory")
        else:
            numbers.append(value)
            value = shift = 0
    if shift:
        raise ValueError("a directory that is cut off")
    return numbers
