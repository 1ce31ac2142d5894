"""Where a frozen map has tiles: around what is frozen and where the map opens, and not deeper than a budget allows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from geoserver.grid import MAX_LATITUDE, join, tile_count
from geoserver.model import Bounds, Tile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from geoserver.mapstates import Camera

__all__ = ["AROUND", "build_frame", "count_tiles", "find_deepest", "list_tiles"]

AROUND = 2  # tiles of the world on each side, so that a wide screen has no edge from afar
_MARGIN = 0.1  # of the frame's width and height
_SCREEN = 3  # tiles of 512 pixels that a screen is wide
_LEAST = 0.01  # degrees; about a kilometre


def build_frame(parts: Iterable[Bounds | None], camera: Camera | None) -> Bounds:
    """The rectangle around these and what a camera sees, a little wider."""
    found: Bounds | None = None
    for part in parts:
        found = join(found, part)
    if camera:
        half = _SCREEN / 2 * 360 / tile_count(0) / 2**camera.zoom
        low = half * math.cos(math.radians(camera.lat))
        found = join(found, Bounds(camera.lon - half, camera.lat - low, camera.lon + half, camera.lat + low))
    if found is None:
        return Bounds(-180.0, -MAX_LATITUDE, 180.0, MAX_LATITUDE)
    wide = max((found.east - found.west) * _MARGIN, _LEAST)
    high = max((found.north - found.south) * _MARGIN, _LEAST)
    return Bounds(
        max(found.west - wide, -180.0),
        max(found.south - high, -MAX_LATITUDE),
        min(found.east + wide, 180.0),
        min(found.north + high, MAX_LATITUDE),
    )


def list_tiles(frame: Bounds, zoom: int, around: int = 0) -> Iterator[Tile]:
    """The tiles of a zoom that touch the frame, and so many beyond it on each side."""
    columns, rows = _spans(frame, zoom, around)
    yield from (Tile(zoom, x, y) for y in rows for x in columns)


def count_tiles(frame: Bounds, zoom: int) -> int:
    """How many these are."""
    columns, rows = _spans(frame, zoom)
    return len(columns) * len(rows)


def find_deepest(frame: Bounds, last: int, most: int) -> int:
    """The deepest zoom up to `last` at which the frame has at most so many tiles, with those of all zooms above it."""
    total = 0
    for zoom in range(last + 1):
        total += count_tiles(frame, zoom)
        if total > most:
            return max(zoom - 1, 0)
    return last


def _spans(frame: Bounds, zoom: int, around: int = 0) -> tuple[range, range]:
    """Columns and rows of the tiles."""
    count = tile_count(zoom)
    first_x, last_x = (_clip(_column(degrees) * count, count) for degrees in (frame.west, frame.east))
    first_y, last_y = (_clip(_row(degrees) * count, count) for degrees in (frame.north, frame.south))
    columns = range(max(first_x - around, 0), min(last_x + around, count - 1) + 1)
    return columns, range(max(first_y - around, 0), min(last_y + around, count - 1) + 1)


def _column(degrees: float) -> float:
    return (degrees + 180) / 360


def _row(degrees: float) -> float:
    """Share of the way from the northern to the southern edge."""
    latitude = math.radians(min(max(degrees, -MAX_LATITUDE), MAX_LATITUDE))
    return (1 - math.asinh(math.tan(latitude)) / math.pi) / 2


def _clip(place: float, count: int) -> int:
    return min(max(int(place), 0), count - 1)
