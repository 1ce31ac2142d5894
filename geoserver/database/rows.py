"""Where rows stand in an order: cursors at evenly spaced rows, from which pages begin anywhere, and a row's number.

Cursors are made in one pass over the rows that a filter leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Identifier, Literal

from geoserver.database.keyset import (
    INT64,
    LONGEST_CURSOR,
    Position,
    bind_position,
    build_condition,
    build_order,
    may_have_index,
    render_cursor,
    select_key,
    select_keys,
)
from geoserver.database.queries import table_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.sql import Composable, Composed

    from geoserver.database.keyset import SortKey
    from geoserver.database.pool import Database
    from geoserver.database.queries import Condition
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer

__all__ = ["MOST_MARKS", "Marks", "Order", "find_row", "read_marks"]

MOST_MARKS = 1_000
_MOST_CHARACTERS = 200_000  # of the cursors of one answer


@dataclass(frozen=True, slots=True)
class Order:
    """Rows of a layer that a condition leaves, in an order."""

    layer: Layer
    where: Condition
    sort: Sequence[SortKey]


@dataclass(frozen=True, slots=True)
class Marks:
    """Cursors behind every so many rows; None where a text in it would be too long. `count` are all rows."""

    count: int
    every: int
    cursors: list[str | None]


async def read_marks(database: Database, rows: Order, status: LayerStatus, every: int) -> Marks:
    """Marks that are `every` rows apart, or twice as many and twice again, until there are not too many of them."""
    while status.rows // every > 2 * MOST_MARKS:  # no more of them leave the database than are looked at
        every *= 2
    query, names = _build_marks(rows, every)
    row = await database.fetch_row(query, rows.where.params or None) or {}
    fids, values = row["fids"] or [], [row[name] or [] for name in names]
    # Behind the last row there is no page.
    places = range((row["count"] - 1) // every if row["count"] else 0)
    positions = [Position(fids[i], tuple(found[i] for found in values)) for i in places]
    cursors = [_render(position, rows) for position in positions]
    while len(cursors) > MOST_MARKS or (len(cursors) > 1 and _size(cursors) > _MOST_CHARACTERS):
        every, cursors = every * 2, cursors[1::2]
    return Marks(row["count"], every, cursors)


def _build_marks(rows: Order, every: int) -> tuple[Composed, list[str]]:
    """One row: the count, and of every so many rows feature id and sort keys, each a list."""
    names = [f"k{index}" for index in range(len(rows.sort))]
    keys = [
        SQL("t.{} AS {}").format(Identifier(key.field.name), Identifier(name))
        for key, name in zip(rows.sort, names, strict=True)
    ]
    texts = [
        SQL("array_agg(left({}, {}) ORDER BY n) FILTER (WHERE mod(n, {}) = 0) AS {}").format(
            select_key(key, Identifier(name)), Literal(LONGEST_CURSOR), Literal(every), Identifier(name)
        )
        for key, name in zip(rows.sort, names, strict=True)
    ]
    table = table_of(rows.layer.table)
    source: Composable = SQL("(SELECT * FROM {} AS t WHERE {})").format(table, rows.where.sql)
    before: Composable = SQL("")
    if rows.sort and not rows.sort[0].descending and may_have_index(rows.sort[0].field):
        # To walk along an index over all rows, one here and one there, takes far longer than to read and sort them.
        columns = [SQL(", t.{}").format(Identifier(key.field.name)) for key in rows.sort]
        before = SQL("WITH t AS MATERIALIZED (SELECT t.fid{} FROM {} AS t WHERE {}) ").format(
            SQL("").join(columns), table, rows.where.sql
        )
        source = SQL("t")
    text = SQL(
        "{before}SELECT count(*) AS count, array_agg(fid ORDER BY n) FILTER (WHERE mod(n, {every}) = 0) AS fids{texts}"
        " FROM (SELECT t.fid AS fid, row_number() OVER (ORDER BY {order}) AS n{keys} FROM {source} AS t) AS t"
    ).format(
        before=before,
        every=Literal(every),
        texts=SQL("").join([SQL(", {}").format(part) for part in texts]),
        order=build_order(rows.sort),
        keys=SQL("").join([SQL(", {}").format(part) for part in keys]),
        source=source,
    )
    return text, names


def _render(position: Position, rows: Order) -> str | None:
    if any(len(value) >= LONGEST_CURSOR for value in position.values if value):  # it may have been cut off
        return None
    cursor = render_cursor(position, rows.layer.id, rows.sort)
    return cursor if len(cursor) <= LONGEST_CURSOR else None


def _size(cursors: Sequence[str | None]) -> int:
    return sum(len(cursor) for cursor in cursors if cursor)


async def find_row(database: Database, rows: Order, fid: int) -> tuple[int | None, int]:
    """How many rows stand before a feature among those that the condition leaves, and how many there are.

    None where it is not among them.
    """
    table, where = table_of(rows.layer.table), rows.where
    position = await _find_position(database, rows, fid)
    behind = build_condition(position, rows.sort) if position else SQL("FALSE")
    params = bind_position(position) if position else {}
    query = SQL("SELECT count(*) AS count, count(*) FILTER (WHERE {}) AS behind FROM {} WHERE {}").format(
        behind, table, where.sql
    )
    row = await database.fetch_row(query, {**where.params, **params} or None) or {"count": 0, "behind": 0}
    return (row["count"] - row["behind"] - 1 if position else None), row["count"]


async def _find_position(database: Database, rows: Order, fid: int) -> Position | None:
    if not -INT64 <= fid < INT64:
        return None
    keys = SQL("").join([SQL(", {}").format(key) for key in select_keys(rows.sort)])
    query = SQL("SELECT fid{} FROM {} WHERE fid = %(fid)s AND {}").format(
        keys, table_of(rows.layer.table), rows.where.sql
    )
    found = await database.fetch_row(query, {**rows.where.params, "fid": fid})
    return Position(fid, tuple(found[f"k{index}"] for index in range(len(rows.sort)))) if found else None
