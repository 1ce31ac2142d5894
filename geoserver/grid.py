"""Tile and CRS arithmetic: which tiles there are, and what they cover."""

from __future__ import annotations

from geoserver.model import Bounds, Tile

__all__ = ["MAX_LATITUDE", "MAX_ZOOM", "MERCATOR_HALF", "is_inside", "tile_count"]

MAX_ZOOM = 22
MERCATOR_HALF = 20037508.342789244  # metres from the origin to the edge of EPSG:3857
MAX_LATITUDE = 85.0511287798066  # where web mercator is cut so that the world is a square


def tile_count(zoom: int) -> int:
    """Columns (and rows) of the tile matrix at this zoom."""
    return 1 << zoom


def is_inside(tile: Tile) -> bool:
    """Whether the address names a tile of the matrix at all."""
    return 0 <= tile.z <= MAX_ZOOM and 0 <= tile.x < tile_count(tile.z) and 0 <= tile.y < tile_count(tile.z)


def intersects(a: Bounds, b: Bounds) -> bool:
    """Whether two lon/lat rectangles share a point; either may cross the antimeridian."""
    if a.south > b.north or b.south > a.north:
        return False
    return any(west <= b_east and b_west <= east for west, east in _spans(a) for b_west, b_east in _spans(b))


def _spans(bounds: Bounds) -> list[tuple[float, float]]:
    if bounds.west <= bounds.east:
        return [(bounds.west, bounds.east)]
    return [(bounds.west, 180.0), (-180.0, bounds.east)]
