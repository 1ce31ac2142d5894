"""Longitude and latitude as vector tiles, at round degrees: a map without anything else still has a measure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from geoserver.grid import MAX_LATITUDE, tile_bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.model import Bounds, Tile

__all__ = ["DEEPEST", "render_graticule"]

DEEPEST = 14  # the last zoom with lines of its own
_STEPS = (3000, 1000, 500, 200, 100, 50, 20, 10, 5, 2, 1)  # hundredths of a degree
_EXTENT = 4096
_BEYOND = 64  # grid steps that a line goes on beyond the tile
_LINE = 2  # a geometry's type


def render_graticule(tile: Tile) -> bytes:
    """A tile with one layer `graticule`: two to a dozen lines each way, with `label` such as "45.2° N"."""
    bounds = tile_bounds(tile)
    step = _find_step(bounds.east - bounds.west)
    labels: list[str] = []
    features = b""
    for label, line in _list_lines(bounds, step):
        tags = _varint(0) + _varint(len(labels))
        labels.append(label)
        features += _field(2, _field(2, tags) + _number(3, _LINE) + _field(4, line))
    texts = b"".join(_field(4, _field(1, label.encode())) for label in labels)
    layer = _field(1, b"graticule") + features + _field(3, b"label") + texts + _number(5, _EXTENT) + _number(15, 2)
    return _field(3, layer) if labels else b""


def _find_step(width: float) -> int:
    """Hundredths of a degree between lines, for at least two of them across a tile."""
    return next((step for step in _STEPS if step * 2 <= width * 100), _STEPS[-1])


def _list_lines(bounds: Bounds, step: int) -> Iterator[tuple[str, bytes]]:
    width = bounds.east - bounds.west
    south, north = (_down(latitude) for latitude in (bounds.south, bounds.north))
    for at in range(math.ceil(bounds.west * 100 / step) * step, math.floor(bounds.east * 100) + 1, step):
        x = round((at / 100 - bounds.west) / width * _EXTENT)
        yield _label(at, "E", "W"), _line(x, -_BEYOND, 0, _EXTENT + 2 * _BEYOND)
    for at in range(math.ceil(bounds.south * 100 / step) * step, math.floor(bounds.north * 100) + 1, step):
        if abs(at) <= MAX_LATITUDE * 100:
            y = round((_down(at / 100) - north) / (south - north) * _EXTENT)
            yield _label(at, "N", "S"), _line(-_BEYOND, y, _EXTENT + 2 * _BEYOND, 0)


def _down(latitude: float) -> float:
    return -math.asinh(math.tan(math.radians(latitude)))


def _label(at: int, positive: str, negative: str) -> str:
    degrees = f"{abs(at) / 100:g}°"
    return degrees if at % 18000 == 0 else f"{degrees} {positive if at > 0 else negative}"


def _line(x: int, y: int, right: int, down: int) -> bytes:
    """Commands of a straight line: begin at a place, go on by that much (Mapbox Vector Tile 2, section 4.3)."""
    return bytes([9]) + _signed(x) + _signed(y) + bytes([10]) + _signed(right) + _signed(down)


def _signed(number: int) -> bytes:
    return _varint(number << 1 ^ number >> 63)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:  # noqa: PLR2004 - seven bits to a byte
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _field(field: int, body: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(body)) + body
