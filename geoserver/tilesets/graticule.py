"""Longitude and latitude as vector tiles, at round degrees: a map without anything else still has a measure."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from shapely import LineString

from geoserver.grid import MAX_LATITUDE, tile_bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.model import Bounds, Tile

__all__ = ["DEEPEST", "render_graticule"]

DEEPEST = 14  # the last zoom with lines of its own
_STEPS = (3000, 1000, 500, 200, 100, 50, 20, 10, 5, 2, 1)  # hundredths of a degree
_EXTENT = 4096
_BEYOND = 64  # grid steps that a line goes on beyond the tile


@functools.lru_cache(maxsize=1024)  # some hundred bytes each
def render_graticule(tile: Tile) -> bytes:
    """A tile with one layer `graticule`: two to a dozen lines each way, with `label` such as "45.2° N"."""
    import mapbox_vector_tile  # noqa: PLC0415 - takes as long as the rest of the start to read, and is rarely needed

    bounds = tile_bounds(tile)
    lines = _list_lines(bounds, _find_step(bounds.east - bounds.west))
    features = [{"geometry": line, "properties": {"label": label}} for label, line in lines]
    layer = {"name": "graticule", "features": features}
    return mapbox_vector_tile.encode(layer, default_options={"y_coord_down": True}) if features else b""


def _find_step(width: float) -> int:
    """Hundredths of a degree between lines, for at least two of them across a tile."""
    return next((step for step in _STEPS if step * 2 <= width * 100), _STEPS[-1])


def _list_lines(bounds: Bounds, step: int) -> Iterator[tuple[str, LineString]]:
    width = bounds.east - bounds.west
    south, north = (_down(latitude) for latitude in (bounds.south, bounds.north))
    for at in range(math.ceil(bounds.west * 100 / step) * step, math.floor(bounds.east * 100) + 1, step):
        x = round((at / 100 - bounds.west) / width * _EXTENT)
        yield _label(at, "E", "W"), LineString([(x, -_BEYOND), (x, _EXTENT + _BEYOND)])
    for at in range(math.ceil(bounds.south * 100 / step) * step, math.floor(bounds.north * 100) + 1, step):
        if abs(at) <= MAX_LATITUDE * 100:
            y = round((_down(at / 100) - north) / (south - north) * _EXTENT)
            yield _label(at, "N", "S"), LineString([(-_BEYOND, y), (_EXTENT + _BEYOND, y)])


def _down(latitude: float) -> float:
    return -math.asinh(math.tan(math.radians(latitude)))


def _label(at: int, positive: str, negative: str) -> str:
    degrees = f"{abs(at) / 100:g}°"
    return degrees if at % 18000 == 0 else f"{degrees} {positive if at > 0 else negative}"
