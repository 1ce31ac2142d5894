"""Packed points, read into memory: where and when what a filter leaves lies, without a look at the rows.

Many points are had sooner so than from the rows, for each of which a page has to be found; but only by the cell, and
without ids and properties. They are read of the whole layer, to be kept, or of one tile, whose bins are counted here
in a third of the time that PostgreSQL takes to count, shape and encode them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from geoserver.database.pool import run
from geoserver.tiling.cells import NO_DAY, Cells, Positions, place_cells
from geoserver.tiling.packed import MOST_VALUES, choose_noted, choose_packed, delta_table, pack_table, place_values
from geoserver.tiling.reading import DAY, EPOCH, parse_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.pool import Database
    from geoserver.filtering import Parts
    from geoserver.model import Layer, Tile, TilePlan

__all__ = [
    "MOST",
    "NOTED",
    "Blocks",
    "build_read",
    "change_points",
    "parse_cells",
    "parse_noted",
    "parse_positions",
    "read_blocks",
    "read_raw",
]

MOST = 500_000  # points that are kept in memory; of more, bins are counted for each tile
_HEAD = 5  # numbers of 4 bytes in front of the elements of an array
_OF_TYPE, _DATE = slice(8, 12), 1082  # where an array's head says of which type its elements are; that of days
_TABLE = 1 << 20  # places of the table in which removed points are looked up
_CALENDAR = (-719_162 + 365, 2_932_895)  # days from 1970 to the year 2, and to the last day of 9999

_READ = SQL("""
WITH chosen AS MATERIALIZED (
    SELECT x, y, code, {c} AS c, {t} AS t
    FROM (SELECT x, y, code, c, t {slice} FROM {packed} WHERE {within} {chosen} OFFSET 0) AS blocks
), noted AS MATERIALIZED ({noted}
), total AS (
    SELECT coalesce(sum(cardinality(c)), 0) + (SELECT coalesce(sum(n), 0) FROM noted) AS n,
        CASE WHEN EXISTS (SELECT FROM noted WHERE n < 0) THEN {most_lossy} ELSE {most} END AS most
    FROM chosen
)
SELECT total.n, blocks.*, changes.*
FROM total CROSS JOIN LATERAL (
    SELECT array_agg(x), array_agg(y), array_agg(code), array_agg(cardinality(c)), array_agg((t IS NOT NULL)::integer),
        string_agg(array_send(c), ''), string_agg(array_send(t), '')
    FROM chosen WHERE cardinality(c) > 0 AND total.n <= total.most
) AS blocks CROSS JOIN LATERAL (
    SELECT {arrays}
    FROM noted WHERE total.n <= total.most
) AS changes""")
_NOTHING = SQL("SELECT 0 AS x, 0 AS y, 0 AS slot, 0 AS n, NULL::timestamptz AS t WHERE FALSE")
# What is noted, as `parse_noted` takes it.
NOTED = SQL("array_agg(x), array_agg(y), array_agg(slot::integer), array_agg(n), array_agg(coalesce(t, 'infinity'))")


class Blocks(NamedTuple):
    """How many points there are, and unless they are too many, blocks and what is noted since, as they travelled."""

    total: int
    cells: list[bytes | None]

    @property
    def are_read(self) -> bool:
        """Whether the points came with their number."""
        return not self.total or any(self.cells)

    @property
    def size(self) -> int:
        return sum(len(cell) for cell in self.cells if cell)


def build_read(
    layer: Layer,
    plan: TilePlan,
    parts: Parts,
    tile: Tile | None = None,
    *,
    most: int = MOST,
    most_lossy: int = MOST,
    packed: str = "",
) -> tuple[Composed, dict[str, Any]]:
    """The statement that reads packed points that pass a filter, in a tile or everywhere, unless there are too many.

    `most_lossy` is how many are too many where some of them were removed since. `packed` is another table than the
    layer's own, which is read alone, without what was noted since.
    """
    chosen, values = choose_packed(layer, plan, parts)
    within = everywhere = SQL("TRUE")
    if tile is not None:
        within = SQL("x BETWEEN %(block_x0)s AND %(block_x1)s AND y BETWEEN %(block_y0)s AND %(block_y1)s")
        values |= place_values(plan, tile)
    noted: Composable = _NOTHING
    if not packed:
        noted = choose_noted(layer, plan, parts, delta_table(layer), within=everywhere if tile is None else None)
    table = Identifier("layers", packed or pack_table(layer))
    limits = {"most": Literal(most), "most_lossy": Literal(most_lossy)}
    return _READ.format(packed=table, noted=noted, arrays=NOTED, within=within, **limits, **chosen), values


async def read_blocks(
    database: Database, statement: bytes, values: Mapping[str, Any], *, prepare: bool | None = False
) -> Blocks:
    """What a statement of `build_read` gives. Raises OvertakenError when a load has just taken the points away."""
    total, *cells = await read_raw(database, statement, values, prepare=prepare)
    return Blocks(int.from_bytes(total or b""), cells)


async def read_raw(
    database: Database, statement: bytes, values: Mapping[str, Any], *, prepare: bool | None = False
) -> list[bytes | None]:
    """The one row of a statement as it travels, all null where there is none. Raises as above."""
    async with database.connection() as connection, connection.cursor(binary=True) as cursor:
        await run(connection, cursor, statement, values, prepare=prepare)
        found = cursor.pgresult
        assert found is not None  # noqa: S101 - a SELECT has one
        return [found.get_value(0, at) if found.ntuples else None for at in range(found.nfields)]


def parse_positions(layer: Layer, plan: TilePlan, blocks: Blocks) -> Positions | None:
    """Cells of the plan's level, by block; None where one is of a time that no calendar of four digits has."""
    raw_x, raw_y, raw_code, raw_sizes, raw_timed, places, times, *noted = blocks.cells
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
    return _apply_noted(layer, Positions(column, row, slot, day), noted)


def parse_noted(layer: Layer, noted: list[bytes | None]) -> tuple[Positions, Positions] | None:
    """Points that were added since, and those that were removed; None as above.

    One that came and went is neither.
    """
    raw_x, raw_y, raw_slot, raw_n, raw_t = noted
    many = int.from_bytes((raw_x or b"")[12:16])
    column, row, slot, n = (parse_numbers(raw, ">i4", many).astype(np.int64) for raw in (raw_x, raw_y, raw_slot, raw_n))
    day = _parse_noted_days(layer, raw_t, many)
    if day is None:
        return None
    points, starts = _sort_alike(Positions(column, row, slot.astype(np.uint8), day))
    n = np.add.reduceat(n[points.order], starts) if many else n
    alone = Positions(*(part[starts] for part in points.sorted))
    added, removed = (Positions(*(np.repeat(part, np.maximum(sign * n, 0)) for part in alone)) for sign in (1, -1))
    return added, removed


def _apply_noted(layer: Layer, packed: Positions, noted: list[bytes | None]) -> Positions | None:
    """The points with what was added since, and without what was removed; None as above."""
    if not noted[0]:
        return packed
    if (changes := parse_noted(layer, noted)) is None:
        return None
    return change_points(packed, *changes)


def change_points(points: Positions, added: Positions, removed: Positions) -> Positions:
    """The points with some more, and without others that are among those."""
    points = Positions(*(np.concatenate(pair) for pair in zip(points, added, strict=True)))
    if not len(removed.column):
        return points
    kept = np.ones(len(points.column), dtype=bool)
    kept[_find_removed(points, removed)] = False
    return Positions(*(part[kept] for part in points))


class _Sorted(NamedTuple):
    order: np.ndarray
    sorted: Positions


def _sort_alike(points: Positions) -> tuple[_Sorted, np.ndarray]:
    """The points with equal ones in a row, in the order that they had; and where others begin."""
    order = np.lexsort(points)
    ordered = Positions(*(part[order] for part in points))
    new = np.zeros(len(order), dtype=bool)
    new[:1] = True
    for part in ordered:
        new[1:] |= part[1:] != part[:-1]
    return _Sorted(order, ordered), np.flatnonzero(new)


def _find_removed(points: Positions, removed: Positions) -> np.ndarray:
    """Places of as many points as were removed, each equal to one of those: equal points are one as good as another."""
    known = np.zeros(_TABLE, dtype=bool)
    known[_hash(removed)] = True
    places = np.flatnonzero(known[_hash(points)])
    # Those that may be meant, behind what is removed: of equal ones, as many are meant as stand before them.
    both = Positions(*(np.concatenate([gone, part[places]]) for gone, part in zip(removed, points, strict=True)))
    alike, starts = _sort_alike(both)
    asked = alike.order < len(removed.column)
    sizes = np.diff(starts, append=len(asked))
    many = np.repeat(np.add.reduceat(asked.astype(np.int64), starts), sizes)
    rank = np.arange(len(asked)) - np.repeat(starts, sizes) - many
    found: np.ndarray = places[alike.order[~asked & (rank < many)] - len(removed.column)]
    return found


def _hash(points: Positions) -> np.ndarray:
    """A number below `_TABLE` for each; few different points have the same."""
    mixed: np.ndarray = (points.column * 73_856_093 ^ points.row * 19_349_663) + points.day.astype(
        np.int64
    ) * 83_492_791
    places: np.ndarray = (mixed ^ mixed >> 20) & (_TABLE - 1)
    return places


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


def _parse_noted_days(layer: Layer, times: bytes | None, many: int) -> np.ndarray | None:
    """Days since 1970 of what was noted; infinity stands for none. None as above."""
    if not (layer.time and times):
        return np.full(many, NO_DAY, dtype=np.int32)
    if int.from_bytes(times[_OF_TYPE]) == _DATE:
        found = parse_numbers(times, ">i4", many).astype(np.int64)
        timed, days = found != np.iinfo(np.int32).max, found
    else:
        found = parse_numbers(times, ">i8", many)
        timed, days = found != np.iinfo(np.int64).max, found // DAY
    days = days + EPOCH
    if timed.any() and not _CALENDAR[0] <= int(days[timed].min()) <= int(days[timed].max()) <= _CALENDAR[1]:
        return None
    return np.where(timed, days, NO_DAY).astype(np.int32)


def _parse_elements(raw: bytes | None, sizes: np.ndarray, width: int) -> list[np.ndarray]:
    """Elements of arrays in a row, each as `width` numbers of 4 bytes behind its length; given number by number."""
    numbers = np.frombuffer(raw or b"", dtype=">i4")
    lengths = sizes.astype(np.int64)
    starts = np.cumsum(_HEAD + (1 + width) * lengths) - (1 + width) * lengths
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    first = np.repeat(starts, lengths) + (1 + width) * within + 1
    return [numbers[first + at].astype(np.int64) for at in range(width)]
