"""Mapbox Vector Tile 2.1 written by numpy: everything in a layer is a row of varints and a few tables of bytes.

https://github.com/mapbox/vector-tile-spec/tree/master/2.1
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

__all__ = [
    "CELL",
    "POINT",
    "Column",
    "build_numbers",
    "build_texts",
    "encode_features",
    "encode_layer",
    "size_varints",
    "zigzag",
]

POINT, _POLYGON = 1, 3
_STARTS = {POINT: (9,), _POLYGON: (9,)}  # MoveTo, once
# From the lower left corner of a cell up, to the right and down, and back: the turn of an outer ring where y is down.
_ENDS: dict[int, tuple[int, ...]] = {POINT: (), _POLYGON: (26, 0, 1, 2, 0, 0, 2, 15)}
CELL = _POLYGON  # a square of one unit, which is the geometry of a bin


@dataclass(frozen=True, slots=True)
class Column:
    """A property of features: which of its values each has (negative: none), and the values as a tile holds them."""

    name: str
    codes: np.ndarray  # int32
    values: pa.BinaryArray
    lengths: np.ndarray  # int32, of `values`

    @property
    def size(self) -> int:
        return int(self.codes.nbytes + self.lengths.nbytes + self.values.nbytes)


def size_varints(values: np.ndarray) -> np.ndarray:
    """Bytes that each unsigned number takes."""
    sizes = np.ones(values.shape, dtype=np.int64)
    if values.size and (most := int(values.max())) >= 1 << 7:
        for bits in range(7, most.bit_length(), 7):
            sizes += values >= np.uint64(1 << bits)
    return sizes


def zigzag(values: np.ndarray) -> np.ndarray:
    """Signed numbers as unsigned ones, small when near to nothing."""
    signed = values.astype(np.int64)
    return ((signed << 1) ^ (signed >> 63)).view(np.uint64)


def _pack_varints(values: np.ndarray) -> np.ndarray:
    """The bytes of unsigned numbers in a row."""
    sizes = size_varints(values)
    ends = np.cumsum(sizes)
    packed = np.empty(int(ends[-1]) if len(ends) else 0, dtype=np.uint8)
    starts = ends - sizes
    packed[starts] = (values & np.uint64(0x7F)).astype(np.uint8)
    longer = np.flatnonzero(sizes > 1)
    at = 0
    while len(longer):
        packed[starts[longer] + at] |= np.uint8(0x80)
        at += 1
        packed[starts[longer] + at] = ((values[longer] >> np.uint64(7 * at)) & np.uint64(0x7F)).astype(np.uint8)
        longer = longer[sizes[longer] > at + 1]
    return packed


def encode_features(
    ids: np.ndarray | None, x: np.ndarray, y: np.ndarray, columns: list[Column], *, geometry: int
) -> tuple[bytes, list[bytes], list[bytes]]:
    """Features one after the other, with the keys and values that their tags point at; `codes` are of these features.

    Ids that are negative are left out, as PostGIS leaves them.
    """
    keys: list[bytes] = []
    tables: list[bytes] = []
    known = 0
    tags: list[tuple[np.ndarray, np.ndarray]] = []
    for column in columns:
        held = column.codes >= 0
        used, places = np.unique(column.codes[held], return_inverse=True)
        if not len(used):
            continue
        values = np.zeros(len(held), dtype=np.uint64)
        values[held] = places.astype(np.uint64) + np.uint64(known)
        tags += [(np.full(len(held), len(keys), dtype=np.uint64), held), (values, held)]
        keys.append(column.name.encode())
        tables.append(_take(column.values, used))
        known += len(used)
    return _join(ids, x, y, tags, geometry), keys, tables


def _join(
    ids: np.ndarray | None,
    x: np.ndarray,
    y: np.ndarray,
    tags: list[tuple[np.ndarray, np.ndarray]],
    geometry: int,
) -> bytes:
    """All features as rows of varints; what a row has not is left out by a mask."""
    count = len(x)
    always = np.ones(count, dtype=bool)
    tag_sizes = np.zeros(count, dtype=np.int64)
    for values, held in tags:
        tag_sizes += np.where(held, size_varints(values), 0)
    zx, zy = zigzag(x), zigzag(y)
    start, end = _STARTS[geometry], _ENDS[geometry]
    shape_sizes = size_varints(zx) + size_varints(zy) + len(start) + len(end)
    tagged = tag_sizes > 0
    sizes = shape_sizes + size_varints(shape_sizes.astype(np.uint64)) + 3
    sizes += np.where(tagged, tag_sizes + size_varints(tag_sizes.astype(np.uint64)) + 1, 0)
    numbered = np.zeros(count, dtype=bool)
    own = np.zeros(count, dtype=np.uint64)
    if ids is not None:
        numbered = ids >= 0
        own = np.where(numbered, ids, 0).astype(np.uint64)
        sizes += np.where(numbered, size_varints(own) + 1, 0)
    columns: list[tuple[np.ndarray | int, np.ndarray]] = [(0x12, always), (sizes, always)]
    if ids is not None:
        columns += [(0x08, numbered), (own, numbered)]
    if tags:
        columns += [(0x12, tagged), (tag_sizes, tagged), *tags]
    columns += [(0x18, always), (geometry, always), (0x22, always), (shape_sizes, always)]
    columns += [(number, always) for number in start] + [(zx, always), (zy, always)]
    columns += [(number, always) for number in end]
    matrix = np.empty((count, len(columns)), dtype=np.uint64)
    mask = np.empty((count, len(columns)), dtype=bool)
    for at, (numbers, held) in enumerate(columns):
        matrix[:, at] = numbers
        mask[:, at] = held
    return _pack_varints(matrix.ravel() if mask.all() else matrix[mask]).tobytes()


def encode_layer(name: str, extent: int, features: bytes, keys: list[bytes], tables: list[bytes]) -> bytes:
    """The layer as it stands in a tile."""
    parts = [_field(1, name.encode()), features]
    parts += [_field(3, key) for key in keys]
    parts += tables
    parts += [b"\x28", _varint(extent), b"\x78\x02"]
    return _field(3, b"".join(parts))


def _field(number: int, body: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(body)) + body


def _varint(number: int) -> bytes:
    return _pack_varints(np.array([number], dtype=np.uint64)).tobytes()


# -- values, each as the layer's field 4 ------------------------------------------------------------------------------


def build_texts(name: str, codes: np.ndarray, texts: pa.BinaryArray) -> Column:
    """A column of texts in UTF-8."""
    lengths = np.diff(np.frombuffer(texts.buffers()[1], dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1])
    different, places = np.unique(lengths, return_inverse=True)
    heads = []
    for length in different.tolist():
        inner = b"\x0a" + _varint(length)
        heads.append(b"\x22" + _varint(len(inner) + length) + inner)
    head_sizes = np.array([len(head) for head in heads], dtype=np.int64)[places]
    sizes = lengths + head_sizes
    data = np.empty(int(sizes.sum()), dtype=np.uint8)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    for at, head in enumerate(heads):
        chosen = starts[places == at]
        for offset, byte in enumerate(head):
            data[chosen + offset] = byte
    body = np.frombuffer(texts.buffers()[2] or b"", dtype=np.uint8)[: int(lengths.sum())]
    data[_spread(starts + head_sizes, lengths)] = body
    return _build(name, codes, data, sizes)


def build_numbers(name: str, values: np.ndarray, held: np.ndarray) -> Column:
    """A column of whole numbers, floating point numbers or truth values; `held` says which rows have one."""
    used, places = np.unique(values[held], return_inverse=True)
    codes = np.full(len(values), -1, dtype=np.int32)
    codes[held] = places
    if used.dtype == np.float64:
        data = np.empty((len(used), 11), dtype=np.uint8)
        data[:, :3] = (0x22, 9, 0x19)
        data[:, 3:] = used.astype("<f8").view(np.uint8).reshape(-1, 8)
        return _build(name, codes, data.ravel(), np.full(len(used), 11))
    if used.dtype == bool:
        rows = np.array([[0x22, 2, 0x38, int(value)] for value in used], dtype=np.uint8)
        return _build(name, codes, rows.ravel(), np.full(len(used), 4))
    kinds = np.where(used < 0, 0x30, 0x28).astype(np.uint64)
    numbers = np.where(used < 0, zigzag(used), used.astype(np.uint64))
    sizes = size_varints(numbers) + 1
    matrix = np.stack([np.full(len(used), 0x22, dtype=np.uint64), sizes.astype(np.uint64), kinds, numbers], axis=1)
    return _build(name, codes, _pack_varints(matrix.ravel()), sizes + 2)


def _build(name: str, codes: np.ndarray, data: np.ndarray, sizes: np.ndarray) -> Column:
    offsets = np.zeros(len(sizes) + 1, dtype=np.int32)
    np.cumsum(sizes, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data.tobytes())]
    values = pa.Array.from_buffers(pa.binary(), len(sizes), buffers)
    return Column(name, codes.astype(np.int32), values, sizes.astype(np.int32))


def _spread(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Every place from each start on, as many as its length, one after the other."""
    ends = np.cumsum(lengths)
    places: np.ndarray = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
    return places


def _take(values: pa.BinaryArray, used: np.ndarray) -> bytes:
    """The chosen values' bytes in a row."""
    taken = values if len(used) == len(values) else values.take(pa.array(used))
    offsets = np.frombuffer(taken.buffers()[1], dtype=np.int32)
    first, last = int(offsets[taken.offset]), int(offsets[taken.offset + len(taken)])
    return bytes(taken.buffers()[2][first:last]) if last > first else b""
