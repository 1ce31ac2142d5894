"""Counted bins of one tile and what edits have noted since they were counted, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from psycopg.sql import SQL, Composed, Identifier, Literal

from geoserver.tiling.cells import Positions
from geoserver.tiling.counted import Counted, change, count, join, parse_counted
from geoserver.tiling.packed import pack_table
from geoserver.tiling.unpacking import Blocks, change_points, parse_positions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geoserver.model import Layer, Tile, TilePlan

__all__ = ["Changes", "build_recount", "list_touched", "locate", "patch", "place_cells", "recount", "replace_cells"]

type Changes = tuple[Positions, Positions]  # points that were added, and those that were removed

_RECOUNT = SQL("""
SELECT (SELECT version FROM geoserver.layers WHERE id = {layer}), array_agg(p.x), array_agg(p.y), array_agg(code),
    array_agg(cardinality(c)), array_agg((t IS NOT NULL)::integer),
    string_agg(array_send(c), ''), string_agg(array_send(t), '')
FROM unnest(%(x0)s::integer[], %(y0)s::integer[]) AS place (x, y)
JOIN {packed} AS p ON p.x BETWEEN place.x AND place.x + %(more)s AND p.y BETWEEN place.y AND place.y + %(more)s""")


def patch(stored: bytes, changes: Changes, plan: TilePlan, tile: Tile, cells: int) -> tuple[Counted, np.ndarray]:
    """A tile's counted bins as they are now, with the places of cells that have to be counted again."""
    added, removed = (locate(points, plan, tile, cells) for points in changes)
    return change(parse_counted(stored), added, removed, cells)


def build_recount(layer: Layer) -> Composed:
    """The statement that reads the packed points under some cells of a tile (`place_cells`), for `recount`.

    With the version of the layer when they were packed in front.
    """
    return _RECOUNT.format(packed=Identifier("layers", pack_table(layer)), layer=Literal(layer.id))


def place_cells(plan: TilePlan, tile: Tile, cells: int, lost: np.ndarray) -> dict[str, Any]:
    """The values of that statement: the blocks under those cells."""
    row, column = np.divmod(lost, cells)
    finer = plan.block - (tile.z + cells.bit_length() - 1)
    first = np.stack([tile.x * cells + column, tile.y * cells + row])
    first = first << finer if finer >= 0 else first >> -finer
    (x0, y0), more = np.unique(first, axis=1), (1 << max(finer, 0)) - 1
    return {"x0": x0.tolist(), "y0": y0.tolist(), "more": more}


def recount(
    layer: Layer, plan: TilePlan, where: tuple[Tile, int, np.ndarray], raw: list[bytes | None], changes: Changes | None
) -> Counted | None:
    """Those cells as they are: `where` is the tile, how many cells it has across, and the places of the lost ones.

    `raw` is what the statement gave, and `changes` have to be added to that. None where a point is of a time that no
    calendar has.
    """
    tile, cells, lost = where
    points = parse_positions(layer, plan, Blocks(1, [*raw, None, None, None, None, None]))
    if points is None:
        return None
    own, *others = (_keep_cells(locate(part, plan, tile, cells), cells, lost) for part in (points, *(changes or ())))
    return count(change_points(own, *others) if others else own, cells)


def _keep_cells(points: Positions, cells: int, places: np.ndarray) -> Positions:
    kept = np.isin(points.row * cells + points.column, places)
    return Positions(*(part[kept] for part in points))


def replace_cells(counted: Counted, lost: np.ndarray, anew: Counted) -> Counted:
    """The bins with some cells as they were counted again."""
    return join(counted.take(~np.isin(counted.place, lost)), anew)


def list_touched(changes: Changes, plan: TilePlan, tiles: Iterable[Tile]) -> list[Tile]:
    """Those of the tiles in which points were added or removed."""
    touched: dict[int, set[tuple[int, int]]] = {}
    found = []
    for tile in tiles:
        if tile.z not in touched:
            finer = plan.level - tile.z
            places = (((points.column >> finer).tolist(), (points.row >> finer).tolist()) for points in changes)
            touched[tile.z] = {pair for columns, rows in places for pair in zip(columns, rows, strict=True)}
        if (tile.x, tile.y) in touched[tile.z]:
            found.append(tile)
    return found


def locate(points: Positions, plan: TilePlan, tile: Tile, cells: int) -> Positions:
    """Those of the points that lie in the tile, by their position in it."""
    bits = cells.bit_length() - 1
    finer = plan.level - tile.z - bits
    column, row = (points.column >> finer) - (tile.x << bits), (points.row >> finer) - (tile.y << bits)
    held = (column >= 0) & (column < cells) & (row >= 0) & (row < cells)
    return Positions(column[held], row[held], points.slot[held], points.day[held])
