"""A table or view "schema.table" that is already in PostGIS: read by a cursor, copied like any other source."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import pyarrow as pa
from psycopg.sql import SQL, Identifier
from pyproj import CRS
from pyproj.exceptions import CRSError

from geoserver.catalog.names import find_likely
from geoserver.database.connecting import connect
from geoserver.sources.base import BATCH_ROWS, Batch, Opened
from geoserver.sources.names import fail_for_columns, match_names, parse_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.sql import Composed

    from geoserver.sources.base import Request

__all__ = ["KIND", "Table"]

_SOME = 8
_GEOMETRIES = """
    SELECT g.name, g.srid, s.auth_name, s.auth_srid, s.srtext, s.proj4text FROM (
        SELECT f_geometry_column AS name, srid FROM geometry_columns
         WHERE f_table_schema = %(schema)s AND f_table_name = %(table)s
        UNION ALL
        SELECT f_geography_column, srid FROM geography_columns
         WHERE f_table_schema = %(schema)s AND f_table_name = %(table)s
    ) AS g LEFT JOIN spatial_ref_sys AS s ON s.srid = g.srid
"""
_COLUMNS = """
    SELECT a.attname FROM pg_attribute AS a
     WHERE a.attrelid = to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text))
       AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


@dataclass(frozen=True, slots=True)
class Table:
    """The only kind that is no file. `csv.geometry` names the column where a table has several geometries."""

    name: str = "table"
    suffixes: tuple[str, ...] = ()

    def open(self, request: Request) -> Opened:
        try:
            with connect(request.database_url) as connection:
                return _plan(connection, request)
        except psycopg.Error as error:
            raise request.fail(f"cannot be read: {str(error).strip()}") from error


KIND = Table()


def _plan(connection: psycopg.Connection, request: Request) -> Opened:
    schema, table = parse_table(request.location) or ("", request.location)
    where = {"schema": schema, "table": table}
    names = [row[0] for row in connection.execute(_COLUMNS, where)]
    if not names:
        raise request.fail(
            f"there is no such table, nor a file of that name{_suggest_table(connection, schema, table)}"
        )
    request = match_names(request, names)
    fail_for_columns(request, request.columns, names)
    geometries = {row[0]: row[1:] for row in connection.execute(_GEOMETRIES, where)}
    column, crs, srid = "", None, None
    if request.positions:
        column = request.csv.geometry or next(iter(geometries), "")
        if column not in geometries:
            raise request.fail("has no geometry column" + (f" {column!r}" if column else ""))
        crs, srid = _name_crs(
            *(geometries[column] if geometries[column][0] else _find_srid(connection, request, column))
        )
    source = Identifier(schema, table)
    count = SQL("SELECT NULL" if request.sample else "SELECT count(*) FROM {}")
    row = connection.execute(count.format(source)).fetchone()
    query = _build_query(request, source, column)
    return Opened(_read(query, request), crs=crs, total=row[0] if row else None, srid=srid, columns=tuple(names))


def _suggest_table(connection: psycopg.Connection, schema: str, table: str) -> str:
    rows = connection.execute(
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_schema NOT IN ('pg_catalog', 'information_schema', 'layers', 'geoserver')"
    ).fetchall()
    names = {f"{one}.{other}": ".".join(map(_write_name, (one, other))) for one, other in rows}
    likely = find_likely(f"{schema}.{table}", list(names))
    return f"; did you mean {names[likely]}?" if likely else ""


def _write_name(name: str) -> str:
    """A name as a layer file says it: in quotation marks where it needs them."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


def _find_srid(connection: psycopg.Connection, request: Request, column: str) -> tuple[Any, ...]:
    """The srid of the shapes themselves, where the column's type has none, as in a table made by a query."""
    rows = connection.execute(
        SQL("SELECT DISTINCT ST_SRID(shape::geometry) FROM (SELECT {} AS shape FROM {} LIMIT {}) AS part").format(
            Identifier(column),
            Identifier(*parse_table(request.location) or (request.location,)),
            SQL(str(BATCH_ROWS)) if request.sample else SQL("ALL"),
        )
    ).fetchall()
    srids = sorted(row[0] for row in rows if row[0] is not None)
    if len(srids) > 1:
        raise request.fail(
            f"the shapes in {column!r} have several SRIDs ({', '.join(map(str, srids[:_SOME]))});"
            " make one of them by ST_Transform in a view"
        )
    known = connection.execute(
        "SELECT auth_name, auth_srid, srtext, proj4text FROM spatial_ref_sys WHERE srid = %s", srids or [0]
    ).fetchone()
    return (srids[0] if srids else 0, *(known or (None, None, None, None)))


def _name_crs(
    srid: int, authority: str | None, code: int | None, text: str | None, old_text: str | None
) -> tuple[str | None, int | None]:
    """The CRS of a column as pyproj reads it, and its srid where PROJ does not know that code and PostGIS does."""
    if authority and code:
        with contextlib.suppress(CRSError):
            CRS.from_authority(authority, code)
            return f"{authority}:{code}", None
    return (text or old_text or None), (srid or None)


def _build_query(request: Request, source: Identifier, column: str) -> Composed:
    parts = [SQL("{}::text").format(Identifier(name)) for name in request.columns]
    if column:
        parts.append(SQL("ST_AsBinary(ST_Force2D({}::geometry))").format(Identifier(column)))
    return SQL("SELECT {} FROM {}").format(SQL(", ").join(parts), source)


def _read(query: Composed, request: Request) -> Iterator[Batch]:
    row = 1
    try:
        with (
            connect(request.database_url) as connection,
            connection.cursor(name="geoserver_load", binary=False) as cursor,
        ):
            cursor.execute(query)
            while rows := cursor.fetchmany(BATCH_ROWS):
                columns = list(zip(*rows, strict=True))
                lines = np.arange(row, row + len(rows), dtype=np.int64)
                row += len(rows)
                wkb = pa.array(columns.pop(), pa.binary()) if request.positions else None
                texts = [pa.array(column, pa.string()) for column in columns]
                yield Batch(lines, dict(zip(request.columns, texts, strict=True)), wkb=wkb)
    except psycopg.Error as error:
        raise request.fail(f"cannot be read after row {row - 1}: {str(error).strip()}") from error
