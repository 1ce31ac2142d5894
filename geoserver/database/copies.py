"""Rows copied out of layers in one snapshot, into tables of their own, so that what is made of them agrees.

The layers' own tables are held for as long as the copying takes, and not for the minutes that come after it: a load
would wait for those, and readers behind it. A session lock says that a set of copies is in use; what a killed process
left has none, and is dropped by whoever comes next.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg import ClientCursor
from psycopg.sql import SQL, Composable, Composed, Identifier

from geoserver.database.connecting import connect
from geoserver.errors import OvertakenError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

__all__ = ["Copied", "Copy", "build_digest", "copy_rows", "drop_left", "held_copies"]

_PREFIX = "__frozen_"  # no layer's id begins so
_LOCK = "geoserver.frozen:"
_LOCKED = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_VERSION = "SELECT s.version, loaded_at FROM geoserver.layers JOIN geoserver.states AS s USING (id) WHERE id = %s"
_LEFT = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = 'layers' AND starts_with(tablename, %s)"


@dataclass(frozen=True, slots=True)
class Copy:
    """Rows of a layer that are wanted; `condition` has named placeholders for `params`."""

    layer: str  # id
    table: str
    loaded_at: datetime  # of its rows; edits since do no harm
    fields: tuple[str, ...]  # by which rows are compared, besides their geometry
    condition: Composable = field(default_factory=lambda: SQL("TRUE"))
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Copied:
    """What came of it: a table in schema `layers`, its rows, and a text that is the same for the same rows."""

    table: str
    version: int  # of the layer's rows at that moment
    rows: int
    digest: str


@contextlib.contextmanager
def held_copies(url: str, name: str) -> Iterator[psycopg.Connection]:
    """A connection in autocommit that holds the copies of this name; all of them are dropped at the end.

    Raises OvertakenError while another process holds them.
    """
    with connect(url, application="geoserver freeze", autocommit=True) as connection:
        if not connection.execute(_LOCKED, [_LOCK + name]).fetchone()[0]:  # type: ignore[index]
            raise OvertakenError
        _drop(connection, name)
        try:
            yield connection
        finally:
            with contextlib.suppress(psycopg.Error):
                _drop(connection, name)


def copy_rows(connection: psycopg.Connection, name: str, wanted: Sequence[Copy]) -> list[Copied]:
    """Copy out of one snapshot; `connection` is that of `held_copies`. Columns are those of the layer's table.

    Raises OvertakenError where a layer was loaded anew since it was looked at, psycopg.Error.
    """
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    tables = [f"{_PREFIX}{name}_{number}" for number in range(len(wanted))]
    with connection.transaction():
        if wanted:  # before there is a snapshot: a table that took the place of one of these would seem to be empty
            names = SQL(", ").join(Identifier("layers", one.table) for one in wanted)
            connection.execute(SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))
        versions = []
        for one, table in zip(wanted, tables, strict=True):
            found = connection.execute(_VERSION, [one.layer]).fetchone()
            if found is None or found[1] != one.loaded_at:
                raise OvertakenError
            versions.append(found[0])
            query = SQL("CREATE UNLOGGED TABLE {} AS SELECT * FROM {} WHERE {}").format(
                Identifier("layers", table), Identifier("layers", one.table), one.condition
            )
            ClientCursor(connection).execute(query, dict(one.params))
    connection.isolation_level = None
    made = zip(wanted, tables, versions, strict=True)
    return [_finish(connection, one, table, version) for one, table, version in made]


def _finish(connection: psycopg.Connection, one: Copy, table: str, version: int) -> Copied:
    """Indexes, statistics and a count."""
    of = Identifier("layers", table)
    connection.execute(SQL("CREATE UNIQUE INDEX ON {} (fid)").format(of))
    connection.execute(SQL("CREATE INDEX ON {} USING gist (geom_3857)").format(of))
    connection.execute(SQL("ANALYZE {}").format(of))
    found = connection.execute(build_digest(Copy(one.layer, table, one.loaded_at, one.fields))).fetchone()
    rows, digest = found or (0, "")
    return Copied(table, version, int(rows), str(digest))


def build_digest(of: Copy) -> Composed:
    """The statement that tells how many rows a condition leaves (`n`), and a text that is the same for the same rows
    (`digest`), whatever their order and ids.
    """
    columns = [Identifier(name) for name in (*of.fields, "geom")]
    return SQL(
        "SELECT count(*) AS n, coalesce(sum(hashtextextended(ROW({})::text, 0)::numeric), 0)::text AS digest"
        " FROM {} WHERE {}"
    ).format(SQL(", ").join(columns), Identifier("layers", of.table), of.condition)


def drop_left(url: str) -> None:
    """Drop the copies that nobody holds any more."""
    with connect(url, application="geoserver freeze", autocommit=True) as connection:
        names = {row[0].removeprefix(_PREFIX).rpartition("_")[0] for row in connection.execute(_LEFT, [_PREFIX])}
        for name in sorted(names):
            if connection.execute(_LOCKED, [_LOCK + name]).fetchone()[0]:  # type: ignore[index]
                _drop(connection, name)
                connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [_LOCK + name])


def _drop(connection: psycopg.Connection, name: str) -> None:
    left = [row[0] for row in connection.execute(_LEFT, [f"{_PREFIX}{name}_"])]
    for table in left:
        connection.execute(SQL("DROP TABLE IF EXISTS {}").format(Identifier("layers", table)))
