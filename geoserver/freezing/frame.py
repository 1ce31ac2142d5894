"""Where a frozen map opens, and has tiles: around that and what is frozen, and not deeper than a budget allows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from geoserver.drawing.camera import clip, spread
from geoserver.grid import MAX_LATITUDE, join, tile_count
from geoserver.mapstates import Camera
from geoserver.model import Bounds, Tile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from geoserver.freezing.order import Frozen, Order

__all__ = ["AROUND", "build_frame", "count_tiles", "find_deepest", "find_home", "list_tiles", "show_home"]

AROUND = 2  # tiles of the world on each side, so that a wide screen has no edge from afar
_MARGIN = 0.1  # of the frame's width and height
_SCREEN = 3  # tiles of 512 pixels that a screen is wide
_LEAST = 0.01  # degrees; about a kilometre
_WORLD = Bounds(-180.0, -MAX_LATITUDE, 180.0, MAX_LATITUDE)


def find_home(order: Order, frozen: Sequence[Frozen], city: Mapping[str, Any]) -> Bounds | Camera:
    """Where the map opens that says no place: at what was frozen, or where the city wants it to if nothing narrows it.
    `city` is the member of that name of `/api/layers`.
    """
    limits = Bounds(*city["limits"]) if city["limits"] else None
    narrowed = _join_all(clip(one.status.bounds, limits) for one in frozen if one.where.asked and one.status.bounds)
    if narrowed is not None:
        return spread(narrowed)
    if order.state.pin:
        lon, lat, *_ = map(float, order.state.pin.split(","))
        return spread(Bounds(lon, lat, lon, lat))
    stated = order.catalog.city
    if stated.center:
        return Camera(stated.zoom, stated.center[1], stated.center[0])
    base = _join_all(status.bounds for _, status in order.base)
    found = _join_all(clip(one.status.bounds, limits or base) for one in frozen if one.status.bounds)
    found = stated.home or found or base
    return spread(found) if found else _WORLD


def show_home(home: Bounds | Camera) -> dict[str, Any]:
    """As `/api/layers` says it of the city."""
    if isinstance(home, Camera):
        return {"bounds": None, "camera": {"lon": home.lon, "lat": home.lat, "zoom": home.zoom}}
    return {"bounds": home.as_list(), "camera": None}


def _join_all(parts: Iterable[Bounds | None]) -> Bounds | None:
    found: Bounds | None = None
    for part in parts:
        found = join(found, part)
    return found


def build_frame(parts: Iterable[Bounds | None], cameras: Iterable[Camera]) -> Bounds:
    """The rectangle around these and what cameras see, a little wider."""
    found = _join_all(parts)
    for camera in cameras:
        half = _SCREEN / 2 * 360 / tile_count(0) / 2**camera.zoom
        low = half * math.cos(math.radians(camera.lat))
        found = join(found, Bounds(camera.lon - half, camera.lat - low, camera.lon + half, camera.lat + low))
    if found is None:
        return _WORLD
    if found.west > found.east:  # it crosses the antimeridian: nothing is left out
        found = Bounds(_WORLD.west, found.south, _WORLD.east, found.north)
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
