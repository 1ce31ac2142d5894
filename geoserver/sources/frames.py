"""How a reading process hands over what it read: a header in JSON, and rows as an Arrow stream of one batch.

Nothing is unpickled: a reading process that a hostile file took over can send wrong rows, but no code.
"""

from __future__ import annotations

import json
import os
import struct
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from geoserver.sources.base import Batch, Broken

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Torn", "read_batch", "read_frame", "write_batch", "write_frame"]

_SIZES = struct.Struct("<IQ")
_MOST_HEADER = 1 << 30


class Torn(Exception):  # noqa: N818 - an end, which the caller explains
    """The stream ended in the middle."""


def write_frame(pipe: int, header: dict[str, Any], body: pa.Buffer | None = None) -> None:
    """Write one frame; blocks while the reader is busy, which is what keeps memory flat."""
    text = json.dumps(header).encode()
    for part in (_SIZES.pack(len(text), body.size if body else 0) + text, body):
        rest = memoryview(part) if part is not None else memoryview(b"")
        while len(rest):
            rest = rest[os.write(pipe, rest) :]


def read_frame(pipe: int, wait: Callable[[], None]) -> tuple[dict[str, Any], pa.Buffer]:
    """Read one frame; `wait` is called before each read and may raise. Raises Torn at the end of the stream."""
    header_size, body_size = _SIZES.unpack(memoryview(_read(pipe, _SIZES.size, wait)))
    if header_size > _MOST_HEADER:
        raise Torn
    header: dict[str, Any] = json.loads(bytes(_read(pipe, header_size, wait)))
    return header, _read(pipe, body_size, wait)


def _read(pipe: int, size: int, wait: Callable[[], None]) -> pa.Buffer:
    buffer = pa.allocate_buffer(size)
    rest = memoryview(buffer)
    while rest:
        wait()
        count = os.readv(pipe, [rest])
        if not count:
            raise Torn
        rest = rest[count:]
    return buffer


def write_batch(pipe: int, batch: Batch) -> None:
    """Write rows as one frame."""
    arrays = [pa.array(batch.lines)]
    if batch.points is not None:
        arrays += [pa.array(axis) for axis in batch.points]
    if batch.wkb is not None:
        arrays.append(batch.wkb)
    if batch.unreadable is not None:
        arrays.append(pa.array(batch.unreadable))
    arrays += batch.columns.values()
    rows = pa.RecordBatch.from_arrays(arrays, names=[str(number) for number in range(len(arrays))])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_batch(rows)
    header = {
        "kind": "batch",
        "columns": list(batch.columns),
        "points": batch.points is not None,
        "wkb": batch.wkb is not None,
        "unreadable": batch.unreadable is not None,
        "ragged": batch.ragged,
        "broken": [[broken.line, broken.reason, broken.raw] for broken in batch.broken],
    }
    write_frame(pipe, header, sink.getvalue())


def read_batch(header: dict[str, Any], body: pa.Buffer) -> Batch:
    """Rows out of a frame, without a copy of them."""
    rows = pa.ipc.open_stream(body).read_next_batch()
    arrays = iter(rows.columns)
    batch = Batch(next(arrays).to_numpy(), {})
    if header["points"]:
        batch.points = (next(arrays).to_numpy(), next(arrays).to_numpy())
    if header["wkb"]:
        batch.wkb = next(arrays)
    if header["unreadable"]:
        batch.unreadable = next(arrays).to_numpy(zero_copy_only=False)
    batch.columns.update(zip(header["columns"], arrays, strict=True))
    batch.broken = [Broken(*item) for item in header["broken"]]
    batch.ragged = header["ragged"]
    return batch
