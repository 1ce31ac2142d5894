"""Where a picture looks: the place and zoom that show an extent, and the tiles that a view needs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import mercantile

from geoserver.grid import MAX_LATITUDE, MERCATOR_HALF, intersects, tile_count
from geoserver.mapstates import Camera
from geoserver.model import Bounds, Tile

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["clip", "fit", "list_tiles", "spread"]

_TILE = 512  # pixels across a tile
_MARGIN = 0.07  # of each side, around what is shown
_LEAST = 1_500.0  # metres across, so that one point still has a surrounding
_WORLD = 2 * MERCATOR_HALF


def clip(bounds: Bounds, limits: Bounds | None) -> Bounds:
    """What of an extent lies within the city's limits, where rows may be misplaced."""
    if limits is None or not intersects(bounds, limits) or bounds.west > bounds.east or limits.west > limits.east:
        return bounds
    edges = zip(bounds.as_list(), limits.as_list(), (max, max, min, min), strict=True)
    return Bounds(*(pick(own, most) for own, most, pick in edges))


def fit(bounds: Bounds, size: tuple[int, int]) -> Camera:
    """The camera that shows an extent with a margin on a map of that size, in CSS pixels."""
    east = bounds.east + 360 if bounds.east < bounds.west else bounds.east
    left, bottom = mercantile.xy(bounds.west, max(bounds.south, -MAX_LATITUDE))
    _, top = mercantile.xy(0, min(bounds.north, MAX_LATITUDE))
    right = east / 180 * MERCATOR_HALF
    across = max(right - left, (top - bottom) * size[0] / size[1]) / (1 - 2 * _MARGIN)
    zoom = math.log2(_WORLD / _TILE * size[0] / max(across, _LEAST))
    lon, lat = mercantile.lnglat((left + right) / 2, (bottom + top) / 2)
    return Camera(max(round(zoom, 3), 0), lat, (lon + 180) % 360 - 180)


def spread(bounds: Bounds) -> Bounds:
    """An extent that is too small to be looked at alone, with its surrounding; one across the antimeridian stays."""
    if bounds.west > bounds.east:
        return bounds
    left, bottom = mercantile.xy(bounds.west, max(bounds.south, -MAX_LATITUDE))
    right, top = mercantile.xy(bounds.east, min(bounds.north, MAX_LATITUDE))
    more = max(_LEAST - max(right - left, top - bottom), 0) / 2
    west, south = mercantile.lnglat(left - more, bottom - more)
    east, north = mercantile.lnglat(right + more, top + more)
    return Bounds(west, south, east, north)


def list_tiles(camera: Camera, size: tuple[int, int], zooms: tuple[int, int], across: int = _TILE) -> Iterator[Tile]:
    """Tiles of a source that a map of that size shows; `zooms` are the first and last that it has, and `across` how
    many pixels wide its tiles are. None where the map is farther away than the first.
    """
    zoom = math.floor(camera.zoom + math.log2(_TILE / across) + 1e-9)
    if zoom < zooms[0]:
        return
    zoom = min(zoom, zooms[1])
    count = tile_count(zoom)
    x, y = mercantile.xy(camera.lon, max(-MAX_LATITUDE, min(MAX_LATITUDE, camera.lat)))
    middle = (x / _WORLD + 0.5) * count, (0.5 - y / _WORLD) * count
    half = [side / 2 / _TILE / 2**camera.zoom * count for side in size]
    (west, east), (north, south) = ((at - span, at + span) for at, span in zip(middle, half, strict=True))
    columns = range(math.floor(west), math.floor(east) + 1)
    rows = range(max(math.floor(north), 0), min(math.floor(south), count - 1) + 1)
    for column in dict.fromkeys(column % count for column in columns):
        for row in rows:
            yield Tile(zoom, column, row)
