"""Rows that have expired, of layers whose file says how long they stay (`[live]`). The clock is the database's.

A timestamp counts from itself, a date from the end of its day in UTC, for until then it may be true. A row without a
time stays, and so does one of the future until its time has come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composed, Identifier, Literal

from geoserver.database.queries import table_of
from geoserver.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

    from geoserver.database.pool import Database
    from geoserver.model import Layer

__all__ = ["BATCH", "expires", "index_times", "list_late", "remove_expired", "remove_expired_from"]

BATCH = 5_000  # rows that are removed in one transaction
_LATE = 10.0  # seconds after which rows should have been removed
_MOMENTS = {"timestamp": SQL("{}"), "date": SQL("({} AT TIME ZONE 'UTC')::date")}


def expires(layer: Layer) -> bool:
    return layer.live is not None and layer.live.expires is not None


def remove_expired(connection: psycopg.Connection, layer: Layer) -> int:
    """Remove the rows that expired first, at most BATCH, and none that somebody else has locked; gives how many."""
    # Found by their places alone: were it said once more that they have expired, PostgreSQL might read all that have
    # for each batch, where it does not know yet how many they are.
    query = SQL(
        "DELETE FROM {table} WHERE ctid = ANY(ARRAY("
        "SELECT ctid FROM {table} WHERE {gone} ORDER BY {field} LIMIT {most} FOR UPDATE SKIP LOCKED))"
    ).format(table=table_of(layer.table), gone=_gone(layer), field=_field(layer), most=Literal(BATCH))
    return connection.execute(query).rowcount


def remove_expired_from(connection: psycopg.Connection, layer: Layer, table: Identifier) -> int:
    """Remove all that have expired from a table that nobody else reads; gives how many."""
    return connection.execute(SQL("DELETE FROM {} WHERE {}").format(table, _gone(layer))).rowcount


async def list_late(database: Database, layers: Iterable[Layer], known: frozenset[str]) -> frozenset[str]:
    """Layers, of those with rows that expire, of which more than a batch should have been removed a while ago.

    Of what cannot be told now it is as it was `known` before.
    """
    late: set[str] = set()
    for layer in layers:
        query = SQL("SELECT count(*) AS n FROM (SELECT FROM {} WHERE {} LIMIT {}) AS late").format(
            table_of(layer.table), _gone(layer, _LATE), Literal(BATCH + 1)
        )
        try:
            row = await database.fetch_row(query)
        except UnavailableError:  # it takes too long without an index, or a load takes the table's place just now
            late |= known & {layer.id}
        else:
            if row and row["n"] > BATCH:
                late.add(layer.id)
    return frozenset(late)


def index_times(connection: psycopg.Connection, layer: Layer) -> bool:
    """Have an index by which expired rows are found, if there is none, as after the file alone was changed.

    Nobody is held up. The connection is in autocommit mode. Gives True.
    """
    table, field = layer.table, layer.live.field if layer.live else ""
    name = f"{table}__live"
    row = connection.execute(
        "SELECT bool_or(i.indisvalid AND a.attnum IS NOT NULL), bool_or(NOT i.indisvalid AND c.relname = %(name)s)"
        "  FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid LEFT JOIN pg_attribute AS a"
        "    ON a.attrelid = i.indrelid AND a.attname = %(field)s AND a.attnum = i.indkey[0] AND i.indpred IS NULL"
        " WHERE i.indrelid = to_regclass(format('layers.%%I', %(table)s::text))",
        {"name": name, "field": field, "table": table},
    ).fetchone()
    there, broken = row or (None, None)
    if there:
        return True
    if broken:  # begun, and not brought to an end
        connection.execute(SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(Identifier("layers", name)))
    connection.execute(
        SQL("CREATE INDEX CONCURRENTLY {} ON {} ({})").format(Identifier(name), table_of(table), Identifier(field))
    )
    return True


def _field(layer: Layer) -> Identifier:
    assert layer.live is not None  # noqa: S101 - callers ask `expires` first
    return Identifier(layer.live.field)


def _gone(layer: Layer, later: float = 0.0) -> Composed:
    """Whether a row expired, at least `later` seconds ago."""
    assert layer.live is not None  # noqa: S101 - as above
    assert layer.live.expires is not None  # noqa: S101
    moment = SQL("(statement_timestamp() - make_interval(secs => {}))").format(Literal(layer.live.expires + later))
    kind = layer.fields[layer.live.field].type
    return SQL("{} < {}").format(_field(layer), _MOMENTS[kind].format(moment))
