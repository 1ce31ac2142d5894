"""Points in memory by the cells that they lie in: enough to count them in bins, and to plan their tiles.

Sorted along the Z-order curve, a tile's points are one slice, and so are those of each cell in it. Bins are those that
`tiles/bins.sql` makes of the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geoserver.grid import MERCATOR_HALF
from geoserver.tiling.bins import bins_layer, named_values
from geoserver.tiling.mvt import CELL, Tag, encode_days, encode_features, encode_layer, encode_numbers, number_values
from geoserver.tiling.packed import MOST_VALUES

if TYPE_CHECKING:
    from geoserver.model import Layer, Tile, TilePlan

__all__ = [
    "BUFFER",
    "EXTENT",
    "LEVEL",
    "NO_DAY",
    "SLOTS",
    "Cells",
    "Groups",
    "Positions",
    "count_groups",
    "encode_bins",
    "encode_groups",
    "interleave",
    "place_cells",
    "place_points",
]

EXTENT = 4096
BUFFER = 64
LEVEL = 29  # of the finest cells, and of the curve
NO_DAY = np.iinfo(np.int32).min
SLOTS = MOST_VALUES + 1  # counts of a bin: of each value that has its own, and of all the rest


@dataclass(frozen=True, slots=True)
class Cells:
    """Points in the order of `curve`; they are known to lie in cells of `level`, no closer."""

    curve: np.ndarray  # uint64: the cell of `LEVEL`, column and row interleaved
    slot: np.ndarray  # uint8: which count of a bin they belong to
    day: np.ndarray  # int32: of the time field, since 1970; NO_DAY where there is none
    level: int

    def __len__(self) -> int:
        return len(self.curve)

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return self.curve.nbytes + self.slot.nbytes + self.day.nbytes

    def count(self, tile: Tile) -> int:
        """How many of the rows the tile counts."""
        own = self.within(tile)
        return int(own.stop - own.start)

    def within(self, tile: Tile) -> slice:
        """The rows whose cell lies in the tile."""
        shift = np.uint64(2 * (LEVEL - tile.z))
        key = interleave(np.array([tile.x]), np.array([tile.y]))[0]
        first, last = np.searchsorted(self.curve, np.array([key << shift, (key + np.uint64(1)) << shift]))
        return slice(int(first), int(last))

    def locate(self, own: slice, tile: Tile, finer: int) -> Positions:
        """Rows that lie in a tile, by their position in it in cells that are so many levels above the finest."""
        column, row = _separate(self.curve[own] >> np.uint64(2 * finer))
        first = LEVEL - tile.z - finer
        return Positions(column - (tile.x << first), row - (tile.y << first), self.slot[own], self.day[own])

    def densest(self, zoom: int) -> int:
        """The most points that a tile of a zoom counts."""
        tile = self.curve >> np.uint64(2 * (LEVEL - zoom))
        ends = np.flatnonzero(tile[1:] != tile[:-1])
        return int(np.diff(ends, prepend=-1, append=len(tile) - 1).max()) if len(tile) else 0

    def spread(self, zoom: int) -> tuple[np.ndarray, np.ndarray]:
        """Tiles of a zoom with the places of the points that each draws; a point is in several where buffers overlap.

        Tiles are named by `x << 32 | y`.
        """
        side, finer = 1 << zoom, LEVEL - zoom
        fine_x, fine_y = _separate(self.curve)
        column, row = fine_x >> finer, fine_y >> finer
        # Counted in the finest cells from the tile's corner, and a step more than the buffer, so that none is left out.
        edge = -(-(BUFFER + 1 << finer) // EXTENT) + (1 << LEVEL - self.level)
        across, down = fine_x - (column << finer), fine_y - (row << finer)
        tiles, places = [column << 32 | row], [np.arange(len(self))]
        anywhere, whole = np.ones(len(self), dtype=bool), 1 << finer
        for dx, nearby in ((-1, across < edge), (0, anywhere), (1, across >= whole - edge)):
            for dy, beside in ((-1, down < edge), (0, anywhere), (1, down >= whole - edge)):
                if dx == dy == 0:
                    continue
                held = np.flatnonzero(nearby & beside)
                x, y = column[held] + dx, row[held] + dy
                there = (x >= 0) & (y >= 0) & (x < side) & (y < side)
                tiles.append(x[there] << 32 | y[there])
                places.append(held[there])
        return np.concatenate(tiles), np.concatenate(places)

    def render_bins(self, layer: Layer, plan: TilePlan, tile: Tile, cells: int) -> bytes:
        """The tile's points counted in bins, `cells` of them across; `b""` for none."""
        own = self.within(tile)
        if own.start == own.stop:
            return b""
        finer = np.uint64(2 * (LEVEL - tile.z - cells.bit_length() + 1))
        counted = count_groups(self.curve[own] >> finer, self.slot[own], self.day[own])
        column, row = _separate(counted.group & np.uint64(cells * cells - 1))
        place = row * cells + column
        order = np.argsort(place)
        return encode_groups(layer, plan, cells, Groups(place[order], *(part[order] for part in counted[1:])))


class Positions(NamedTuple):
    """Points in any order, by the cells of one level that they lie in; slot and day as those of `Cells`."""

    column: np.ndarray
    row: np.ndarray
    slot: np.ndarray
    day: np.ndarray


def encode_bins(layer: Layer, plan: TilePlan, cells: int, points: Positions) -> bytes:
    """A tile's bins, `cells` across, of points whose positions are counted from the tile's corner; at least one."""
    place = points.row * cells + points.column
    order = np.argsort(place.astype(np.uint16), kind="stable")  # sorted by digits, in a step for each
    return encode_groups(layer, plan, cells, count_groups(place[order], points.slot[order], points.day[order]))


class Groups(NamedTuple):
    """Points counted by their cell: how many of each slot, the least and the greatest day (NO_DAY for none)."""

    group: np.ndarray
    counts: np.ndarray
    first: np.ndarray
    last: np.ndarray


def count_groups(cell: np.ndarray, slot: np.ndarray, day: np.ndarray) -> Groups:
    """Of points that are sorted by cell."""
    new = np.concatenate([[True], cell[1:] != cell[:-1]])
    starts = np.flatnonzero(new)
    number = np.cumsum(new) - 1
    counts = np.bincount(number * SLOTS + slot, minlength=len(starts) * SLOTS).reshape(-1, SLOTS)
    latest = np.maximum.reduceat(day, starts)
    earliest = np.minimum.reduceat(np.where(day == NO_DAY, np.iinfo(np.int32).max, day), starts)
    return Groups(cell[starts], counts, np.where(latest == NO_DAY, NO_DAY, earliest), latest)


def encode_groups(layer: Layer, plan: TilePlan, cells: int, bins: Groups) -> bytes:
    """Bins by their place in the tile, row by row."""
    tags, tables = _tag_counts(plan, bins.counts)
    if layer.time:
        tags += _tag_days(bins.first, bins.last, tables)
    row, column = np.divmod(bins.group, cells)
    body = encode_features(None, column, row + 1, tags, geometry=CELL)
    return encode_layer(bins_layer(layer), cells, body, tags, [table for table, _ in tables])


def place_points(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Where points lie on the curve, by the cells that `geoserver.cell` gives."""
    return interleave(_cell(x), _cell(-y))


def place_cells(column: np.ndarray, row: np.ndarray, level: int) -> np.ndarray:
    """Where cells of a level lie on the curve: their first point."""
    return interleave(column, row) << np.uint64(2 * (LEVEL - level))


def _cell(metres: np.ndarray) -> np.ndarray:
    side = 1 << LEVEL
    cells = np.floor((metres + MERCATOR_HALF) / (2 * MERCATOR_HALF) * side)
    whole: np.ndarray = np.clip(cells, 0, side - 1).astype(np.int64)
    return whole


def interleave(column: np.ndarray, row: np.ndarray) -> np.ndarray:
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


type Tables = list[tuple[bytes, int]]  # values as they stand in a tile, and how many they are


def _tag_counts(plan: TilePlan, counts: np.ndarray) -> tuple[list[Tag], Tables]:
    """How many points each bin has, and how many of each value: numbers of one table."""
    total = counts.sum(axis=1)
    names = named_values(plan)
    slots = [*range(len(names) - 1), MOST_VALUES] if names else []
    columns = [("count", total), *((name, counts[:, slot]) for slot, name in zip(slots, names, strict=True))]
    columns = [(name, column) for name, column in columns if column.any()]
    used, places = number_values(np.concatenate([column for _, column in columns]), int(total.max()) + 1)
    data, _ = encode_numbers(used)
    tags = [
        Tag(name, values, column > 0)
        for (name, column), values in zip(columns, places.reshape(len(columns), -1), strict=True)
    ]
    return tags, [(data.tobytes(), len(used))]


def _tag_days(first: np.ndarray, last: np.ndarray, tables: Tables) -> list[Tag]:
    """The first and the last day as ISO 8601 texts, of one table that is added to those there are."""
    held = last != NO_DAY  # where there is a last day, there is a first
    if not held.any():
        return []
    days = np.concatenate([first[held], last[held]]).astype(np.int64)
    least = int(days.min())
    used, places = number_values(days - least, int(days.max()) - least + 1)
    before = sum(count for _, count in tables)
    tables.append((encode_days(used + least), len(used)))
    tags = []
    for name, own in zip(("first", "last"), places.reshape(2, -1), strict=True):
        values = np.zeros(len(held), dtype=np.int64)
        values[held] = own + before
        tags.append(Tag(name, values, held))
    return tags
