"""Packed points, read into memory: where and when what a filter leaves lies, without a look at the rows.

Many points are had sooner so than from the rows, for each of which a page has to be found; but only by the cell, and
without ids and properties. They are read of the whole layer, to be kept, or of one tile, whose bins are counted here
in a third of the time that PostgreSQL takes to count, shape and encode them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from psycopg.sql import SQL, Composed, Identifier, Literal

from geoserver.database.pool import run
from geoserver.tiling.bins import MOST_VALUES, choose_packed, pack_table, place_values
from geoserver.tiling.cells import NO_DAY, Cells, Positions, place_cells
from geoserver.tiling.reading import DAY, EPOCH, parse_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.pool import Database
    from geoserver.filtering import Parts
    from geoserver.model import Layer, Tile, TilePlan

__all__ = ["MOST", "Blocks", "build_read", "parse_cells", "parse_positions", "read_blocks"]

MOST = 500_000  # points that are kept in memory; of more, bins are counted for each tile
_HEAD = 5  # numbers of 4 bytes in front of the elements of an array
_OF_TYPE, _DATE = slice(8, 12), 1082  # where an array's head says of which type its elements are; that of days
_CALENDAR = (-719_162 + 365, 2_932_895)  # days from 1970 to the year 2, and to the last day of 9999

_READ = SQL("""
WITH chosen AS MATERIALIZED (
    SELECT x, y, code, {c} AS c, {t} AS t
    FROM (SELECT x, y, code, c, t {slice} FROM {packed} WHERE {within} {chosen} OFFSET 0) AS blocks
), total AS (SELECT coalesce(sum(cardinality(c)), 0) AS n FROM chosen)
SELECT total.n, blocks.*
FROM total CROSS JOIN LATERAL (
    SELECT array_agg(x), array_agg(y), array_agg(code), array_agg(cardinality(c)), array_agg((t IS NOT NULL)::integer),
        string_agg(array_send(c), ''), string_agg(array_send(t), '')
    FROM chosen WHERE cardinality(c) > 0 AND total.n <= {most}
) AS blocks""")


class Blocks(NamedTuple):
    """How many points there are, and unless they are too many, the blocks as they travelled."""

    total: int
    cells: list[bytes | None]

    @property
    def size(self) -> int:
        return sum(len(cell) for cell in self.cells if cell)


def build_read(
    layer: Layer, plan: TilePlan, parts: Parts, tile: Tile | None = None, most: int = MOST
) -> tuple[Composed, dict[str, Any]]:
    """The statement that reads packed points that pass a filter, in a tile or everywhere, unless there are too many."""
    chosen, values = choose_packed(layer, plan, parts)
    within = SQL("TRUE")
    if tile is not None:
        within = SQL("x BETWEEN %(block_x0)s AND %(block_x1)s AND y BETWEEN %(block_y0)s AND %(block_y1)s")
        values |= place_values(plan, tile)
    packed = Identifier("layers", pack_table(layer))
    return _READ.format(packed=packed, most=Literal(most), within=within, **chosen), values


async def read_blocks(
    database: Database, statement: bytes, values: Mapping[str, Any], *, prepare: bool | None = False
) -> Blocks:
    """What a statement of `build_read` gives. Raises OvertakenError when a load has just taken the points away."""
    async with database.connection() as connection, connection.cursor(binary=True) as cursor:
        await run(connection, cursor, statement, values, prepare=prepare)
        found = cursor.pgresult
        assert found is not None  # noqa: S101 - a SELECT has one
        total, *cells = [found.get_value(0, at) for at in range(found.nfields)]
    return Blocks(int.from_bytes(total or b""), cells)


def parse_positions(layer: Layer, plan: TilePlan, blocks: Blocks) -> Positions | None:
    """Cells of the plan's level, by block; None where one is of a time that no calendar of four digits has."""
    raw_x, raw_y, raw_code, raw_sizes, raw_timed, places, times = blocks.cells
    count = int.from_bytes((raw_x or b"")[12:16])
    x, y, sizes, timed = (parse_numbers(raw, ">i4", count) for raw in (raw_x, raw_y, raw_sizes, raw_timed))
    code = parse_numbers(raw_code, ">i2", count)
    (inside,) = _parse_elements(places, sizes, 1)
    inner = plan.level - plan.block
    day = _parse_days(layer, times, sizes, timed)
    if day is None:
        return None
    column = np.repeat(x.astype(np.int64) << inner, sizes) + (inside & 32767)
    row = np.repeat(y.astype(np.int64) << inner, sizes) + (inside >> 15)
    slot = np.repeat(np.where((code >= 0) & (code < MOST_VALUES), code, MOST_VALUES).astype(np.uint8), sizes)
    return Positions(column, row, slot, day)


def parse_cells(layer: Layer, plan: TilePlan, blocks: Blocks) -> Cells | None:
    """The points in the order of the map; None as above."""
    points = parse_positions(layer, plan, blocks)
    if points is None:
        return None
    curve = place_cells(points.column, points.row, plan.level)
    order = np.argsort(curve, kind="stable")
    return Cells(curve[order], points.slot[order], points.day[order], plan.level)


def _parse_days(layer: Layer, times: bytes | None, sizes: np.ndarray, timed: np.ndarray) -> np.ndarray | None:
    """Days since 1970 of all points; only blocks that are `timed` have any."""
    day = np.full(int(sizes.sum()), NO_DAY, dtype=np.int32)
    if not (layer.time and times and timed.any()):
        return day
    held = np.repeat(timed > 0, sizes)
    # As they were packed, whatever the layer file says by now.
    if int.from_bytes(times[_OF_TYPE]) == _DATE:
        (found,) = _parse_elements(times, sizes[timed > 0], 1)
    else:
        high, low = _parse_elements(times, sizes[timed > 0], 2)
        found = (high << 32 | (low & 0xFFFFFFFF)) // DAY
    found = found + EPOCH
    if len(found) and not _CALENDAR[0] <= int(found.min()) <= int(found.max()) <= _CALENDAR[1]:
        return None
    day[held] = found
    return day


def _parse_elements(raw: bytes | None, sizes: np.ndarray, width: int) -> list[np.ndarray]:
    """Elements of arrays in a row, each as `width` numbers of 4 bytes behind its length; given number by number."""
    numbers = np.frombuffer(raw or b"", dtype=">i4")
    lengths = sizes.astype(np.int64)
    starts = np.cumsum(_HEAD + (1 + width) * lengths) - (1 + width) * lengths
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    first = np.repeat(starts, lengths) + (1 + width) * within + 1
    return [numbers[first + at].astype(np.int64) for at in range(width)]
