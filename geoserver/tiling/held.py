"""What a filter leaves of a layer, in memory: points, whose tiles are made without a query, or where shapes lie.

What comes out is what `tiles/points.sql` gives for the same rows, in tile coordinates, ids and properties.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geoserver.grid import MERCATOR_HALF
from geoserver.tiling.cells import BUFFER, EXTENT, LEVEL, Cells, interleave
from geoserver.tiling.mvt import POINT, Column, build_tags, build_tags_in_order, encode_features, encode_layer
from geoserver.tiling.recipes import pixel_metres

if TYPE_CHECKING:
    from geoserver.model import Layer, Tile

__all__ = ["Points", "Shapes"]

_EDGE = 5  # zooms below a tile's own: a cell there is twice as wide as the buffer
_EXACT = 14  # zoom from which on the recipes simplify nothing
_LEAST = 8  # vertices of what is so small that it is drawn as a mark, at most
_MANY = 64  # tiles of a zoom; what touches more than that counts as if it were in all


@dataclass(frozen=True, slots=True)
class Points(Cells):
    """Rows with `x`, `y` in metres of EPSG:3857, and the properties of their tiles."""

    x: np.ndarray
    y: np.ndarray
    fid: np.ndarray
    columns: tuple[Column, ...]

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        own = (self.curve, self.slot, self.day, self.x, self.y, self.fid)
        return sum(array.nbytes for array in own) + sum(column.size for column in self.columns)

    def near(self, tile: Tile) -> np.ndarray:
        """Places of the rows that the tile draws, its buffer included, in the order of their ids."""
        own, around = self.within(tile), self._around(tile)
        if len(around):
            column, row = self._project(tile, around)
            inside = (column >= -BUFFER) & (column <= EXTENT + BUFFER) & (row >= -BUFFER) & (row <= EXTENT + BUFFER)
            around = around[inside & self._touches(tile, around)]
        places = np.concatenate([np.arange(own.start, own.stop), around])
        ordered: np.ndarray = places[np.argsort(self.fid[places], kind="stable")]
        return ordered

    def _around(self, tile: Tile) -> np.ndarray:
        """Places of the rows in the cells that lie around the tile."""
        level = min(tile.z + _EDGE, LEVEL)
        side = 1 << level - tile.z
        ends, along = np.array([-1, side]), np.arange(-1, side + 1)
        columns = np.concatenate([np.repeat(ends, side + 2), np.tile(along[1:-1], 2)]) + tile.x * side
        rows = np.concatenate([np.tile(along, 2), np.repeat(ends, side)]) + tile.y * side
        there = (columns >= 0) & (rows >= 0) & (columns < 1 << level) & (rows < 1 << level)
        keys = interleave(columns[there], rows[there])
        shift = np.uint64(2 * (LEVEL - level))
        starts = np.searchsorted(self.curve, keys << shift)
        stops = np.searchsorted(self.curve, (keys + np.uint64(1)) << shift)
        held = stops > starts
        if not held.any():
            return np.zeros(0, dtype=np.int64)
        return np.concatenate(
            [np.arange(a, b) for a, b in zip(starts[held].tolist(), stops[held].tolist(), strict=True)]
        )

    def _project(self, tile: Tile, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Tile coordinates as ST_AsMVTGeom rounds them, in the same order of the same operations."""
        west, south, east, north = _envelope(tile, 0.0)
        across, down = EXTENT / (east - west), -(EXTENT / (north - south))
        column = np.rint(self.x[places] * across + -west * across)
        row = np.rint(self.y[places] * down + -north * down)
        return column.astype(np.int64), row.astype(np.int64)

    def _touches(self, tile: Tile, places: np.ndarray) -> np.ndarray:
        """Whether `&&` finds them with the tile's buffer; it compares in single precision, widened."""
        west, south, east, north = _envelope(tile, BUFFER / EXTENT)
        x, y = self.x[places], self.y[places]
        found = (_down(x) <= _up(np.array(east))) & (_up(x) >= _down(np.array(west)))
        return found & (_down(y) <= _up(np.array(north))) & (_up(y) >= _down(np.array(south)))

    def render_features(self, layer: Layer, tile: Tile) -> bytes:
        """The tile's points; `b""` for none."""
        places = self.near(tile)
        if not len(places):
            return b""
        column, row = self._project(tile, places)
        chosen = [replace(item, codes=item.codes[places]) for item in self.columns]
        # Who may see some rows gets the tiles of a layer that never had others.
        tags, tables = (build_tags if layer.rows is None else build_tags_in_order)(chosen)
        body = encode_features(self.fid[places], column, row, tags, geometry=POINT)
        return encode_layer(layer.id, EXTENT, body, tags, tables)


@dataclass(frozen=True, slots=True)
class Shapes:
    """Where rows that are no single points lie, and how large they are; in metres of EPSG:3857."""

    fid: np.ndarray
    west: np.ndarray
    south: np.ndarray
    east: np.ndarray
    north: np.ndarray
    vertices: np.ndarray
    length: np.ndarray  # of lines and edges
    columns: tuple[Column, ...]

    def __len__(self) -> int:
        return len(self.fid)

    def vertices_at(self, zoom: int) -> np.ndarray:
        """How many vertices each has in a tile; what is simplified has few where it is small."""
        if zoom >= _EXACT:
            return self.vertices
        simplified: np.ndarray = np.minimum(self.vertices, _LEAST + 2 * self.length / pixel_metres(zoom))
        return simplified.astype(np.int64)

    def spread(self, zoom: int) -> tuple[np.ndarray, np.ndarray]:
        """Tiles (`x << 32 | y`) with the places of the shapes that each may draw, but for those everywhere."""
        x0, y0, wide, covered = self._cover(zoom)
        few = np.flatnonzero(covered <= _MANY)
        places = np.repeat(few, covered[few])
        number = np.arange(len(places)) - np.repeat(np.cumsum(covered[few]) - covered[few], covered[few])
        return (x0[places] + number % wide[places]) << 32 | (y0[places] + number // wide[places]), places

    def everywhere(self, zoom: int) -> np.ndarray:
        """Places of the shapes that touch so many tiles of a zoom that they count in all."""
        return np.flatnonzero(self._cover(zoom)[3] > _MANY)

    def _cover(self, zoom: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The first tile that each touches, how many in a row, and how many in all; buffers included."""
        side, edge = 1 << zoom, (BUFFER + 1) / EXTENT
        spans = []
        for low, high in ((self.west, self.east), (-self.north, -self.south)):
            first, last = ((at + MERCATOR_HALF) / (2 * MERCATOR_HALF) * side for at in (low, high))
            spans += [np.clip(np.floor(at), 0, side - 1).astype(np.int64) for at in (first - edge, last + edge)]
        x0, x1, y0, y1 = spans
        wide = x1 - x0 + 1
        return x0, y0, wide, wide * (y1 - y0 + 1)


def _envelope(tile: Tile, margin: float) -> tuple[float, float, float, float]:
    """ST_TileEnvelope, operation by operation: west, south, east, north."""
    count = 1 << tile.z
    size = 2 * MERCATOR_HALF / count
    if 1 + 2 * margin > count:
        west, east = -MERCATOR_HALF, MERCATOR_HALF
    else:
        west = -MERCATOR_HALF + size * (tile.x - margin)
        east = -MERCATOR_HALF + size * (tile.x + 1 + margin)
    south = max(MERCATOR_HALF - size * (tile.y + 1 + margin), -MERCATOR_HALF)
    north = min(MERCATOR_HALF - size * (tile.y - margin), MERCATOR_HALF)
    return west, south, east, north


def _down(numbers: np.ndarray) -> np.ndarray:
    single = numbers.astype(np.float32)
    return np.where(single <= numbers, single, np.nextafter(single, np.float32(-np.inf)))


def _up(numbers: np.ndarray) -> np.ndarray:
    single = numbers.astype(np.float32)
    return np.where(single >= numbers, single, np.nextafter(single, np.float32(np.inf)))
