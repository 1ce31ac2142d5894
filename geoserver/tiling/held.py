"""Points in memory: what a filter leaves of a layer, in the order of the map, and its tiles made without a query.

Sorted along the Z-order curve, a tile's points are one slice, and so are those of each cell in it. What comes out is
what `tiles/points.sql` and `tiles/bins.sql` give for the same rows, in tile coordinates, ids, properties and counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from geoserver.grid import MERCATOR_HALF
from geoserver.tiling.bins import MOST_VALUES, bins_layer, named_values
from geoserver.tiling.mvt import CELL, POINT, Column, build_numbers, build_texts, encode_features, encode_layer
from geoserver.tiling.recipes import pixel_metres

if TYPE_CHECKING:
    from geoserver.model import Layer, Tile, TilePlan

__all__ = ["BUFFER", "EXTENT", "LEVEL", "NO_DAY", "Points", "Shapes", "place_points"]

EXTENT = 4096
BUFFER = 64
LEVEL = 29  # of the finest cells, and of the curve
NO_DAY = np.iinfo(np.int32).min
_EDGE = 5  # zooms below a tile's own: a cell there is twice as wide as the buffer
_SLOTS = MOST_VALUES + 1
_EXACT = 14  # zoom from which on the recipes simplify nothing
_LEAST = 8  # vertices of what is so small that it is drawn as a mark, at most
_MANY = 64  # tiles of a zoom; what touches more than that counts as if it were in all


@dataclass(frozen=True, slots=True)
class Points:
    """Rows in the order of `curve`; `x`, `y` in metres of EPSG:3857."""

    curve: np.ndarray  # uint64: the cell of `LEVEL`, column and row interleaved
    x: np.ndarray
    y: np.ndarray
    fid: np.ndarray
    slot: np.ndarray  # uint8: which count of a bin they belong to
    day: np.ndarray  # int32: of the time field, since 1970; NO_DAY where there is none
    columns: tuple[Column, ...]

    def __len__(self) -> int:
        return len(self.curve)

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        own = (self.curve, self.x, self.y, self.fid, self.slot, self.day)
        return sum(array.nbytes for array in own) + sum(column.size for column in self.columns)

    def count(self, tile: Tile) -> int:
        """How many of the rows the tile counts."""
        own = self.within(tile)
        return int(own.stop - own.start)

    # -- which rows ---------------------------------------------------------------------------------------------------

    def within(self, tile: Tile) -> slice:
        """The rows whose cell lies in the tile."""
        shift = np.uint64(2 * (LEVEL - tile.z))
        key = _interleave(np.array([tile.x]), np.array([tile.y]))[0]
        first, last = np.searchsorted(self.curve, np.array([key << shift, (key + np.uint64(1)) << shift]))
        return slice(int(first), int(last))

    def near(self, tile: Tile) -> np.ndarray:
        """Places of the rows that the tile draws, its buffer included, in the order of their ids."""
        own = self.within(tile)
        places = np.concatenate([np.arange(own.start, own.stop), self._around(tile)])
        column, row = self._project(tile, places)
        inside = (column >= -BUFFER) & (column <= EXTENT + BUFFER) & (row >= -BUFFER) & (row <= EXTENT + BUFFER)
        places = places[inside & self._touches(tile, places)]
        ordered: np.ndarray = places[np.argsort(self.fid[places], kind="stable")]
        return ordered

    def vertices_at(self, zoom: int) -> np.ndarray:  # noqa: ARG002 - as of shapes
        """How many vertices each has in a tile beside the first."""
        return np.zeros(len(self), dtype=np.int64)

    def spread(self, zoom: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tiles of a zoom with the places of the points that each draws; a point is in several where buffers overlap.

        Tiles are named by `x << 32 | y`. Third come the places of what is in very many tiles: none.
        """
        side = 1 << zoom
        column, row = (cells >> (LEVEL - zoom) for cells in _separate(self.curve))
        # In tile widths from the tile's corner; a unit more than the buffer, so that no rounding can leave one out.
        across = (self.x + MERCATOR_HALF) / (2 * MERCATOR_HALF) * side - column
        down = (MERCATOR_HALF - self.y) / (2 * MERCATOR_HALF) * side - row
        edge = (BUFFER + 1) / EXTENT
        everywhere = np.arange(len(self))
        tiles, places = [column << 32 | row], [everywhere]
        anywhere = np.ones(len(self), dtype=bool)
        for dx, nearby in ((-1, across <= edge), (0, anywhere), (1, across >= 1 - edge)):
            for dy, beside in ((-1, down <= edge), (0, anywhere), (1, down >= 1 - edge)):
                if dx == dy == 0:
                    continue
                held = np.flatnonzero(nearby & beside)
                x, y = column[held] + dx, row[held] + dy
                there = (x >= 0) & (y >= 0) & (x < side) & (y < side)
                tiles.append(x[there] << 32 | y[there])
                places.append(held[there])
        return np.concatenate(tiles), np.concatenate(places), np.zeros(0, dtype=np.int64)

    def _around(self, tile: Tile) -> np.ndarray:
        """Places of the rows in the cells that lie around the tile."""
        level = min(tile.z + _EDGE, LEVEL)
        side = 1 << level - tile.z
        ends, along = np.array([-1, side]), np.arange(-1, side + 1)
        columns = np.concatenate([np.repeat(ends, side + 2), np.tile(along[1:-1], 2)]) + tile.x * side
        rows = np.concatenate([np.tile(along, 2), np.repeat(ends, side)]) + tile.y * side
        there = (columns >= 0) & (rows >= 0) & (columns < 1 << level) & (rows < 1 << level)
        keys = _interleave(columns[there], rows[there])
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

    # -- tiles --------------------------------------------------------------------------------------------------------

    def render_features(self, layer: Layer, tile: Tile) -> bytes:
        """The tile's points; `b""` for none."""
        places = self.near(tile)
        if not len(places):
            return b""
        column, row = self._project(tile, places)
        chosen = [replace(item, codes=item.codes[places]) for item in self.columns]
        body, keys, tables = encode_features(self.fid[places], column, row, chosen, geometry=POINT)
        return encode_layer(layer.id, EXTENT, body, keys, tables)

    def render_bins(self, layer: Layer, plan: TilePlan, tile: Tile, cells: int) -> bytes:
        """The tile's points counted in squares, `cells` across; `b""` for none."""
        own = self.within(tile)
        if own.start == own.stop:
            return b""
        bits = cells.bit_length() - 1
        cell = self.curve[own] >> np.uint64(2 * (LEVEL - tile.z - bits))
        starts = np.flatnonzero(np.concatenate([[True], cell[1:] != cell[:-1]]))
        number = np.zeros(len(cell), dtype=np.int64)
        number[starts[1:]] = 1
        number = np.cumsum(number)
        column, row = _separate(cell[starts])
        order = np.lexsort((column, row))
        column, row = column[order] - (tile.x << bits), row[order] - (tile.y << bits)
        counts = np.bincount(number * _SLOTS + self.slot[own], minlength=len(starts) * _SLOTS)
        counts = counts.reshape(-1, _SLOTS)[order]
        columns = self._count_columns(plan, counts)
        if layer.time:
            first, last = self._find_days(own, starts)
            columns += [_build_days("first", first[order]), _build_days("last", last[order])]
        body, keys, tables = encode_features(None, column, row + 1, columns, geometry=CELL)
        return encode_layer(bins_layer(layer), cells, body, keys, tables)

    def _count_columns(self, plan: TilePlan, counts: np.ndarray) -> list[Column]:
        total = counts.sum(axis=1)
        columns = [build_numbers("count", total, np.ones(len(total), dtype=bool))]
        names = named_values(plan)
        slots = [*range(len(names) - 1), MOST_VALUES] if names else []
        for slot, name in zip(slots, names, strict=True):
            held = counts[:, slot] > 0
            if held.any():
                columns.append(build_numbers(name, counts[:, slot], held))
        return columns

    def _find_days(self, own: slice, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The least and the greatest day of each cell; NO_DAY where none of its points has one."""
        day = self.day[own]
        latest = np.maximum.reduceat(day, starts)
        earliest = np.minimum.reduceat(np.where(day == NO_DAY, np.iinfo(np.int32).max, day), starts)
        return np.where(latest == NO_DAY, NO_DAY, earliest), latest


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

    def spread(self, zoom: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tiles of a zoom with the places of the shapes that each may draw; third those that are in very many tiles.

        Tiles are named by `x << 32 | y`.
        """
        side, edge = 1 << zoom, (BUFFER + 1) / EXTENT
        spans = []
        for low, high in ((self.west, self.east), (-self.north, -self.south)):
            first, last = ((at + MERCATOR_HALF) / (2 * MERCATOR_HALF) * side for at in (low, high))
            spans += [np.clip(np.floor(at), 0, side - 1).astype(np.int64) for at in (first - edge, last + edge)]
        x0, x1, y0, y1 = spans
        wide = x1 - x0 + 1
        covered = wide * (y1 - y0 + 1)
        few = np.flatnonzero(covered <= _MANY)
        places = np.repeat(few, covered[few])
        number = np.arange(len(places)) - np.repeat(np.cumsum(covered[few]) - covered[few], covered[few])
        tiles = (x0[places] + number % wide[places]) << 32 | (y0[places] + number // wide[places])
        return tiles, places, np.flatnonzero(covered > _MANY)


def place_points(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where points lie on the curve, by the cells that `geoserver.cell` gives."""
    return _interleave(_cell(x), _cell(-y))


def _cell(metres: np.ndarray) -> np.ndarray:
    side = 1 << LEVEL
    cells = np.floor((metres + MERCATOR_HALF) / (2 * MERCATOR_HALF) * side)
    whole: np.ndarray = np.clip(cells, 0, side - 1).astype(np.int64)
    return whole


def _interleave(column: np.ndarray, row: np.ndarray) -> np.ndarray:
    curve: np.ndarray = _widen(column) | (_widen(row) << np.uint64(1))
    return curve


def _separate(curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return _narrow(curve), _narrow(curve >> np.uint64(1))


_MASKS = [
    (1, 0x5555555555555555),
    (2, 0x3333333333333333),
    (4, 0x0F0F0F0F0F0F0F0F),
    (8, 0x00FF00FF00FF00FF),
    (16, 0x0000FFFF0000FFFF),
]


def _widen(numbers: np.ndarray) -> np.ndarray:
    """A zero between every two bits."""
    wide = numbers.astype(np.uint64)
    for shift, mask in reversed(_MASKS):
        wide = (wide | (wide << np.uint64(shift))) & np.uint64(mask)
    return wide


def _narrow(wide: np.ndarray) -> np.ndarray:
    """Every second bit."""
    numbers = wide & np.uint64(_MASKS[0][1])
    for (shift, _), (_, mask) in zip(_MASKS, [*_MASKS[1:], (32, 0xFFFFFFFF)], strict=True):
        numbers = (numbers | (numbers >> np.uint64(shift))) & np.uint64(mask)
    return numbers.astype(np.int64)


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


def _build_days(name: str, days: np.ndarray) -> Column:
    """A column of days as ISO 8601 texts."""
    held = days != NO_DAY
    used, places = np.unique(days[held], return_inverse=True)
    codes = np.full(len(days), -1, dtype=np.int32)
    codes[held] = places
    texts = np.datetime_as_string(used.astype("datetime64[D]")).tolist() if len(used) else []
    return build_texts(name, codes, pa.array([text.encode() for text in texts], pa.binary()))
