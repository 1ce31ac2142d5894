"""Counting the bins of many tiles at once from a layer's packed points, each of which is read once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from psycopg.sql import SQL, Identifier

from geoserver.filtering import Parts
from geoserver.model import Tile
from geoserver.tiling.cells import LEVEL
from geoserver.tiling.counted import Counted, count, fit, join
from geoserver.tiling.unpacking import Blocks, build_read, parse_cells

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from geoserver.model import Layer, TilePlan
    from geoserver.tiling.cells import Cells

__all__ = ["UncountableError", "count_tiles"]

_AT_ONCE = 1_000_000  # points that are held at a time: some 60 MB


class UncountableError(Exception):
    """A point is of a time that no calendar of four digits has."""


def count_tiles(
    connection: psycopg.Connection, layer: Layer, plan: TilePlan, wanted: Mapping[Tile, int], packed: str
) -> dict[Tile, Counted]:
    """The bins of some tiles, each with how many cells across it is `wanted`, counted from the table `packed` alone.

    Raises UncountableError.
    """
    found: dict[Tile, Counted] = {}
    if wanted:
        _Count(connection, layer, plan, wanted, packed, found).visit(Tile(0, 0, 0), 0)
    return {tile: found[tile] for tile in wanted if tile in found}


def _read(connection: psycopg.Connection, layer: Layer, plan: TilePlan, tile: Tile, packed: str) -> Cells:
    """All points of the tile's blocks."""
    statement, values = build_read(layer, plan, Parts(), tile, most=2**40, most_lossy=2**40, packed=packed)
    with connection.cursor(binary=True) as cursor:
        found = cursor.execute(statement, values, prepare=False).pgresult
        assert found is not None  # noqa: S101 - a SELECT has one
        total, *raw = [found.get_value(0, at) for at in range(found.nfields)]
    points = parse_cells(layer, plan, Blocks(int.from_bytes(total or b""), raw))
    if points is None:
        raise UncountableError
    return points


@dataclass(slots=True)
class _Count:
    connection: psycopg.Connection
    layer: Layer
    plan: TilePlan
    wanted: Mapping[Tile, int]
    packed: str
    found: dict[Tile, Counted]
    _blocks: tuple[np.ndarray, np.ndarray, np.ndarray] = field(init=False)  # column, row and number of points of each
    _over: dict[Tile, list[Tile]] = field(default_factory=lambda: defaultdict(list))  # wanted tiles under each tile

    def __post_init__(self) -> None:
        for tile in self.wanted:
            for zoom in range(tile.z + 1):
                self._over[Tile(zoom, tile.x >> tile.z - zoom, tile.y >> tile.z - zoom)].append(tile)
        rows = self.connection.execute(
            SQL("SELECT x, y, sum(cardinality(c)) FROM {} GROUP BY x, y").format(Identifier("layers", self.packed))
        ).fetchall()
        table = np.array(rows, dtype=np.int64).reshape(-1, 3)
        self._blocks = table[:, 0], table[:, 1], table[:, 2]

    def visit(self, tile: Tile, cells: int) -> Counted | None:
        """Count what is wanted under a tile; gives its own bins, so many across, where `cells` says that they are."""
        cells = self._need(tile, cells)
        if not (cells or tile in self._over):
            return None
        if self._weigh(tile) <= _AT_ONCE or tile.z >= self.plan.block:
            counted = self._count_all(tile, cells)
        else:
            counted = self._put_together(tile, cells)
        if counted is not None and tile in self.wanted:
            self.found[tile] = fit(counted, cells, self.wanted[tile])
        return counted

    def _need(self, tile: Tile, cells: int) -> int:
        """How many cells across a tile is counted, of which so many are asked for: what is wanted of it follows."""
        need = max(cells, self.wanted.get(tile, 0))
        return max(need, 2) if need else 0

    def _weigh(self, tile: Tile) -> int:
        column, row, size = self._blocks
        finer = self.plan.block - tile.z
        if finer < 0:
            return 0
        return int(size[(column >> finer == tile.x) & (row >> finer == tile.y)].sum())

    def _put_together(self, tile: Tile, cells: int) -> Counted | None:
        """From the four tiles below it."""
        parts = []
        for right in (0, 1):
            for down in (0, 1):
                below = Tile(tile.z + 1, 2 * tile.x + right, 2 * tile.y + down)
                half = cells // 2
                part = self.visit(below, half)
                if part is None or not cells:
                    continue
                part = fit(part, self._need(below, half), half)
                row, column = np.divmod(part.place, half)
                parts.append(part._replace(place=(row + down * half) * cells + column + right * half))
        return join(*parts) if parts else None

    def _count_all(self, tile: Tile, cells: int) -> Counted | None:
        points = _read(self.connection, self.layer, self.plan, tile, self.packed)
        if not len(points):
            return None
        for below in self._over.get(tile, ()):
            if below != tile and (counted := _count_within(points, below, self.wanted[below])) is not None:
                self.found[below] = counted
        return _count_within(points, tile, cells) if cells else None


def _count_within(points: Cells, tile: Tile, cells: int) -> Counted | None:
    own = points.within(tile)
    if own.start == own.stop:
        return None
    return count(points.locate(own, tile, LEVEL - tile.z - (cells.bit_length() - 1)), cells)
