"""Many geometries in one array of bytes: points, lines and polygons of one ring, as osmium writes nodes and ways.

Nearly all of an extract is of this kind, and needs no library of geometry on its way, only other coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from geoserver.basemap.shapes import project

__all__ = ["Plain", "read_plain"]

_HEADS = {  # how the geometries of a layer begin, and how many bytes stand before the positions
    "points": (b"\1\1\0\0\0", 5),
    "lines": (b"\1\2\0\0\0", 9),
    "polygons": (b"\1\3\0\0\0\1\0\0\0", 13),  # of one ring
}
_POSITION = 16
_RING = 4  # positions, of a triangle
_HALF = 180.0


@dataclass(frozen=True, slots=True)
class Plain:
    """WKB of many geometries, one behind the other, and which bytes are positions."""

    data: np.ndarray  # uint8
    ends: np.ndarray  # where each ends
    is_position: np.ndarray
    corners: np.ndarray  # degrees, n x 2
    firsts: np.ndarray  # the first corner of each

    def is_wide(self) -> bool:
        """Whether one of them crosses the antimeridian, being wider than half the earth."""
        low = np.minimum.reduceat(self.corners[:, 0], self.firsts)
        high = np.maximum.reduceat(self.corners[:, 0], self.firsts)
        return bool((high - low > _HALF).any())

    def find_leaving(self, box: tuple[float, float, float, float]) -> np.ndarray:
        """Which of them reach out of a box."""
        out = ((self.corners < box[:2]) | (self.corners > box[2:])).any(axis=1)
        leaving: np.ndarray = np.logical_or.reduceat(out, self.firsts)
        return leaving

    def to_mercator(self) -> pa.Array:
        """The same in EPSG:3857, as a column."""
        data = self.data.copy()
        data[self.is_position] = np.ascontiguousarray(project(self.corners)).view(np.uint8).reshape(-1)
        offsets = np.concatenate([[0], self.ends]).astype(np.int32)
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
        return pa.Array.from_buffers(pa.binary(), len(self.ends), buffers)


def read_plain(shapes: Sequence[bytes], kind: str) -> Plain | None:
    """None where one of them is not of the layer's kind, has several rings, or one of fewer than three corners."""
    begin, head = _HEADS[kind]
    if not all(shape.startswith(begin) for shape in shapes):
        return None
    sizes = np.fromiter(map(len, shapes), int, len(shapes))
    if kind == "polygons" and (sizes < head + _RING * _POSITION).any():
        return None
    data = np.frombuffer(b"".join(shapes), np.uint8)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    is_position = np.ones(len(data), bool)
    is_position[(starts[:, None] + np.arange(head)).reshape(-1)] = False
    corners = data[is_position].view("<f8").reshape(-1, 2)
    firsts = np.concatenate([[0], np.cumsum((sizes - head) // _POSITION)[:-1]])
    return Plain(data, ends, is_position, corners, firsts)
