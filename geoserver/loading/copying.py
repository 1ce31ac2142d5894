"""Columns as the text that COPY reads: put together by Arrow and numpy, no Python object per row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import shapely

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["encode_points", "encode_rows", "encode_shapes"]

_HEX = np.array([int.from_bytes(b"%02X" % value, "little") for value in range(256)], dtype="<u2")
_HEADER = 9  # byte order, type with the SRID flag, SRID
_POINT = _HEADER + 16
_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", ""))


def encode_points(x: np.ndarray, y: np.ndarray, srid: int) -> pa.Array:
    """Positions as hexadecimal EWKB points, as text."""
    count = len(x)
    raw = np.empty((count, _POINT), dtype=np.uint8)
    raw[:, :_HEADER] = np.frombuffer(b"\x01\x01\x00\x00\x20" + srid.to_bytes(4, "little"), dtype=np.uint8)
    xy = np.empty((count, 2), dtype="<f8")
    xy[:, 0], xy[:, 1] = x, y
    raw[:, _HEADER:] = xy.view(np.uint8)
    text = _HEX[raw]
    offsets = np.arange(0, (count + 1) * _POINT * 2, _POINT * 2, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text))


def encode_shapes(shapes: np.ndarray, srid: int) -> pa.Array:
    """Geometries as hexadecimal EWKB, as text."""
    raw = shapely.to_wkb(shapely.set_srid(shapes, srid), include_srid=True, byte_order=1)
    offsets = np.cumsum([0, *map(len, raw)], dtype=np.int64) * 2
    text = _HEX[np.frombuffer(b"".join(raw), np.uint8)]
    return pa.LargeStringArray.from_buffers(len(raw), pa.py_buffer(offsets), pa.py_buffer(text))


def encode_rows(columns: Sequence[pa.Array]) -> memoryview:
    """Rows in COPY's text format: tabs between, backslashes before what has a meaning, `\\N` for null."""
    texts = [_as_text(column) for column in columns]
    tab, end, nothing = (pa.scalar(text, pa.large_string()) for text in ("\t", "\n", ""))
    lines = pc.binary_join_element_wise(*texts, tab, null_handling="replace", null_replacement="\\N")
    lines = pc.binary_join_element_wise(lines, nothing, end)
    offsets = np.frombuffer(lines.buffers()[1], dtype=np.int64)[lines.offset : lines.offset + len(lines) + 1]
    return memoryview(lines.buffers()[2])[int(offsets[0]) : int(offsets[-1])] if len(lines) else memoryview(b"")


def _as_text(column: pa.Array) -> pa.Array:
    kind = column.type
    texts = column.cast(pa.large_string())
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return texts
    data = texts.buffers()[2]
    content = data.to_pybytes() if data is not None else b""
    for sign, escaped in _ESCAPES:
        if sign.encode() in content:
            texts = pc.replace_substring(texts, sign, escaped)
    return texts
