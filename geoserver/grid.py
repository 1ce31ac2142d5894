"""Tile and CRS arithmetic: which tiles there are, and what they cover."""

from __future__ import annotations

import mercantile

from geoserver.model import Bounds, Tile

__all__ = [
    "MAX_LATITUDE",
    "MAX_ZOOM",
    "MERCATOR_HALF",
    "intersects",
    "is_inside",
    "join",
    "most_cells",
    "tile_bounds",
    "tile_count",
]

MAX_ZOOM = 22
_NEARBY = 12  # zoom from which a district fills the screen
_CELLS_FROM_AFAR, _CELLS_NEARBY = 64, 32
MERCATOR_HALF = 20037508.342789244  # metres from the origin to the edge of EPSG:3857
MAX_LATITUDE = 85.0511287798066  # where web mercator is cut so that the world is a square


def tile_count(zoom: int) -> int:
    """Columns (and rows) of the tile matrix at this zoom."""
    return 1 << zoom


def most_cells(zoom: int) -> int:
    """Bins across a tile of 512 pixels at the very most, a power of two: so wide that the eye tells them apart.

    They are 8 pixels wide from afar, where a city is small, and 16 from where its streets are seen between them.
    """
    return _CELLS_FROM_AFAR if zoom < _NEARBY else _CELLS_NEARBY


def is_inside(tile: Tile) -> bool:
    """Whether the address names a tile of the matrix at all."""
    return 0 <= tile.z <= MAX_ZOOM and 0 <= tile.x < tile_count(tile.z) and 0 <= tile.y < tile_count(tile.z)


def tile_bounds(tile: Tile, margin: float = 0.0) -> Bounds:
    """The tile's rectangle in lon/lat degrees, widened on each side by `margin` times its width.

    The margin goes beyond 180 degrees rather than around the earth: tiles do not wrap.
    """
    left, bottom, right, top = mercantile.xy_bounds(tile.x, tile.y, tile.z)
    wider = margin * (right - left)
    west, south = mercantile.lnglat(left - wider, bottom - wider)
    east, north = mercantile.lnglat(right + wider, top + wider)
    return Bounds(west, south, east, north)


def intersects(a: Bounds, b: Bounds) -> bool:
    """Whether two lon/lat rectangles share a point; either may cross the antimeridian."""
    if a.south > b.north or b.south > a.north:
        return False
    return any(west <= b_east and b_west <= east for west, east in _spans(a) for b_west, b_east in _spans(b))


def _spans(bounds: Bounds) -> list[tuple[float, float]]:
    if bounds.west <= bounds.east:
        return [(bounds.west, bounds.east)]
    return [(bounds.west, 180.0), (-180.0, bounds.east)]


def join(a: Bounds | None, b: Bounds | None) -> Bounds | None:
    """A lon/lat rectangle around both; one that crosses the antimeridian is taken as the whole turn of the earth."""
    if a is None or b is None:
        return a or b
    boxes = [Bounds(-180.0, box.south, 180.0, box.north) if box.west > box.east else box for box in (a, b)]
    return Bounds(
        min(box.west for box in boxes),
        min(box.south for box in boxes),
        max(box.east for box in boxes),
        max(box.north for box in boxes),
    )
