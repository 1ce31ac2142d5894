"""Statements of exports: all rows that a question leaves, in one order, and how they come out of one snapshot.

Rows come by COPY, which is the fastest way out of PostgreSQL, and which cannot bind values on the server: psycopg puts
them in by its own quoting, and nobody else does.

What no file can hold is empty in all of them alike: numbers that are not finite, times outside the years 1 to 9999.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg import ClientCursor, pq
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from geoserver.database.cells import (
    FORMULA,
    Way,
    as_cell,
    as_data,
    as_json,
    as_value,
    as_xml,
    name_column,
    with_comma,
    within_years,
)
from geoserver.database.connecting import SettingsOf, connect
from geoserver.errors import OvertakenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from geoserver.database.pool import Database
    from geoserver.fieldtypes import FieldType
    from geoserver.model import Layer

__all__ = [
    "FORMULA",
    "LONLAT",
    "Rows",
    "Selection",
    "Way",
    "header_of",
    "number_params",
    "open_rows",
    "read_widths",
    "select_columns",
    "select_features",
    "select_places",
    "select_table",
    "select_tracks",
]

LONLAT = 4326
_MERCATOR = 3857
_DEGREE_DIGITS = 8  # about a millimetre
_LENGTH_DIGITS = 3
_BLOCK = 1 << 16  # bytes that are handed on at once
_WATCH = "1000"  # milliseconds between two looks whether who asked is still there
_PARAM = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows of one table: which, of which columns, in which order. `condition` has named placeholders for `params`.

    Of readings `owner` is the table of the features that they belong to; `condition` is over that one, and `during`
    over the readings themselves.
    """

    table: str
    fields: tuple[tuple[str, FieldType], ...]
    condition: str = "TRUE"
    params: Mapping[str, object] = field(default_factory=dict)
    order: tuple[tuple[str, bool], ...] = ()  # fields, and whether the greatest comes first
    dimension: int | None = None  # of shapes: 0 points, 1 lines, 2 areas; all where nothing is said
    stored: int = LONLAT  # SRID of column `geom`
    srid: int = LONLAT  # and of what is wanted
    owner: str = ""
    owner_key: str = ""
    owner_key_type: FieldType = "text"
    during: str = "TRUE"
    time: str = ""  # of readings

    @property
    def digits(self) -> int:
        return _DEGREE_DIGITS if self.srid == LONLAT else _LENGTH_DIGITS


@dataclass(frozen=True, slots=True)
class Statement:
    """A query, its values, and how COPY writes it; `heads` lines come before the rows."""

    query: Composed
    params: Mapping[str, object]
    options: str
    heads: int = 0


def number_params(text: str, params: Mapping[str, object], prefix: str) -> tuple[str, dict[str, object]]:
    """The same condition with other names of its placeholders, so that two can stand in one statement."""
    return _PARAM.sub(rf"%({prefix}\1)s", text), {f"{prefix}{name}": value for name, value in params.items()}


async def read_widths(database: Database, layer: Layer) -> dict[str, float]:
    """Bytes of an average value by column, as the last ANALYZE found them; of a layer in part nothing is told."""
    if layer.rows is not None:
        return {}
    query = SQL(
        "SELECT attname, avg_width FROM pg_catalog.pg_stats WHERE schemaname = 'layers' AND tablename = %(name)s"
    )
    rows = await database.fetch(query, {"name": layer.table})
    return {row["attname"]: float(row["avg_width"]) for row in rows}


# -- statements --------------------------------------------------------------------------------------------------------

_LINES = "FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x01'"  # one column, of which no sign is special


def select_table(of: Selection, way: Way, place: str = "") -> Statement:
    """CSV: the id, the fields, and the position as `place` says: `xy` in two columns, `wkt` in one, or not at all."""
    columns: list[Composable] = [name_column("fid"), *_owner_columns(of, way)]
    columns += [as_cell(name_column(name), kind, way) for name, kind in of.fields]
    shape = _shape(of)
    if place == "xy":
        columns += [with_comma(SQL("ST_X({})").format(shape), way), with_comma(SQL("ST_Y({})").format(shape), way)]
    elif place == "wkt":
        columns.append(SQL("ST_AsText({})").format(shape))
    names = SQL(", ").join(
        SQL("{} AS {}").format(column, Identifier(name)) for column, name in zip(columns, way.header, strict=True)
    )
    options = SQL("FORMAT csv, HEADER, DELIMITER {}").format(Literal(way.separator)).as_string(None)
    return Statement(_from(of, names), of.params, options, heads=1)


def select_columns(of: Selection, place: str) -> Statement:
    """Columns that Arrow reads as what they are: the id, the fields, and the position as `place` says: `wkb` in
    hexadecimal digits, `xy` in two columns, `wkt`, or not at all.
    """
    columns: list[Composable] = [name_column("fid"), *_owner_columns(of, None)]
    columns += [as_value(name_column(name), kind) for name, kind in of.fields]
    shape = _shape(of) if of.dimension is None else SQL("ST_Multi({})").format(_shape(of))
    match place:
        case "wkb":
            columns.append(SQL("encode(ST_AsBinary({}, 'NDR'), 'hex')").format(shape))
        case "xy":
            columns += [SQL("ST_X({})").format(shape), SQL("ST_Y({})").format(shape)]
        case "wkt":
            columns.append(SQL("ST_AsText({})").format(shape))
    return Statement(_from(of, SQL(", ").join(columns)), of.params, "FORMAT csv")


def select_features(of: Selection) -> Statement:
    """GeoJSON features, one a line."""
    properties: Composable = SQL("'{{}}'").format()
    if of.fields:
        values = [
            SQL("{} AS {}").format(within_years(name_column(name), kind, as_json(name, kind)), Identifier(name))
            for name, kind in of.fields
        ]
        # The row has a name here that no field can have.
        properties = SQL('row_to_json((SELECT "the row" FROM (SELECT {}) AS "the row"))').format(SQL(", ").join(values))
    feature = SQL(
        """'{{"type":"Feature","id":' || t.fid || ',"geometry":' || coalesce(ST_AsGeoJSON({}, {}, 0), 'null')"""
        """ || ',"properties":' || {} || '}}'"""
    ).format(_shape(of), Literal(of.digits), properties)
    return Statement(_from(of, feature), of.params, _LINES)


def select_places(of: Selection, title: str) -> Statement:
    """KML placemarks, one a line; `title` is the field that names them, if any."""
    data = _join(
        SQL("coalesce('<SimpleData name={}>' || {} || '</SimpleData>', '')").format(
            SQL(_quoted(_escape_name(name))), as_data(name, kind)
        )
        for name, kind in of.fields
    )
    # What ST_AsKML has no word for: collections are given part by part.
    shape = SQL(
        "CASE WHEN ST_IsEmpty({0}) THEN NULL WHEN GeometryType({0}) = 'GEOMETRYCOLLECTION' THEN (SELECT"
        " '<MultiGeometry>' || string_agg(ST_AsKML(d.geom, {1}), '') || '</MultiGeometry>' FROM ST_Dump({0}) AS d)"
        " ELSE ST_AsKML({0}, {1}) END"
    ).format(_shape(of), Literal(of.digits))
    named = _tagged("name", title, of)
    place = SQL(
        """'<Placemark id="{}.' || t.fid || '">' || {} || '<ExtendedData><SchemaData schemaUrl="#fields">' || {}"""
        """ || '</SchemaData></ExtendedData>' || coalesce({}, '') || '</Placemark>'"""
    ).format(SQL(of.table), named, data, shape)
    return Statement(_from(of, place), of.params, _LINES)


def select_tracks(of: Selection, title: str, *, lines: bool) -> Statement:
    """GPX: points as `wpt`, lines as `trk` with a segment for each part, one a line."""
    data = _join(
        SQL("coalesce('<ogr:{0}>' || {1} || '</ogr:{0}>', '')").format(SQL(name), as_xml(name, kind, breaks=False))
        for name, kind in of.fields
    )
    within = SQL("{} || '<extensions><ogr:fid>' || t.fid || '</ogr:fid>' || {} || '</extensions>'").format(
        _tagged("name", title, of), data
    )
    shape = _shape(of)
    if not lines:
        point = SQL(
            """'<wpt lat="' || ST_Y({0})::numeric(11, 8) || '" lon="' || ST_X({0})::numeric(11, 8) || '">' || {1}"""
            """ || '</wpt>'"""
        ).format(shape, within)
        return Statement(_from(of, point), of.params, _LINES)
    text = SQL("substr(ST_AsText(ST_Multi(ST_Force2D({})), {}), 17)").format(shape, Literal(of.digits))
    points = SQL(r"""regexp_replace({}, '([-0-9.e]+) ([-0-9.e]+),?', '<trkpt lat="\2" lon="\1"/>', 'g')""").format(text)
    segments = SQL("replace(replace(replace(rtrim({}, ')'), '(', '<trkseg>'), '),', '</trkseg>'), ')', '')").format(
        points
    )
    track = SQL("'<trk>' || {} || {} || '</trkseg></trk>'").format(within, segments)
    return Statement(_from(of, track), of.params, _LINES)


def _from(of: Selection, columns: Composable) -> Composed:
    order: list[Composable] = [
        SQL("{} {} NULLS LAST").format(Identifier("t", name), SQL("DESC" if descending else "ASC"))
        for name, descending in of.order
    ]
    order.append(Identifier("t", "fid"))
    if not of.owner:
        condition: Composable = SQL(of.condition)
        if of.dimension is not None:
            condition = SQL("({}) AND ST_Dimension(geom) = {} AND GeometryType(geom) <> 'GEOMETRYCOLLECTION'").format(
                condition, Literal(of.dimension)
            )
        return SQL("SELECT {} FROM {} AS t WHERE {} ORDER BY {}").format(
            columns, Identifier("layers", of.table), condition, SQL(", ").join(order)
        )
    # The names of what comes of the features are none that a field can have.
    owners = SQL('SELECT fid AS "the fid"{} FROM {} WHERE {}').format(
        SQL(', {} AS "the key"').format(Identifier(of.owner_key)) if of.owner_key else SQL(""),
        Identifier("layers", of.owner),
        SQL(of.condition),
    )
    return SQL('SELECT {} FROM {} AS t JOIN ({}) AS p ON p."the fid" = t.fid WHERE {} ORDER BY {}').format(
        columns,
        Identifier("layers", of.table),
        owners,
        SQL(of.during),
        SQL(", ").join([*order, Identifier("t", of.time)]),
    )


def _owner_columns(of: Selection, way: Way | None) -> list[Composable]:
    if not of.owner_key:
        return []
    column = Identifier("p", "the key")
    return [as_cell(column, of.owner_key_type, way) if way else as_value(column, of.owner_key_type)]


def _tagged(tag: str, name: str, of: Selection) -> Composable:
    kind = dict(of.fields).get(name)
    if kind is None:
        return SQL("''")
    return SQL("coalesce('<{0}>' || {1} || '</{0}>', '')").format(SQL(tag), as_xml(name, kind))


def _join(parts: Iterator[Composable]) -> Composable:
    found = list(parts)
    return SQL(" || ").join(found) if found else SQL("''")


def _escape_name(name: str) -> str:
    return name.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def _quoted(text: str) -> str:
    return '"' + text.replace("'", "''").replace("{", "{{").replace("}", "}}") + '"'


def _shape(of: Selection) -> Composable:
    if of.srid == of.stored:
        return SQL("t.geom")
    if of.srid == _MERCATOR:
        return SQL("t.geom_3857")
    return SQL("ST_Transform(t.geom, {})").format(Literal(of.srid))


# -- rows --------------------------------------------------------------------------------------------------------------


class Rows:
    """Rows out of one snapshot of the database; `count` says how many came by the last statement."""

    def __init__(self, connection: psycopg.Connection, between: Callable[[], None]) -> None:
        self._connection = connection
        self._between = between
        self.count = 0
        self.fault: psycopg.Error | None = None

    def blocks(self, statement: Statement, size: int = _BLOCK) -> Iterator[bytes]:
        """What COPY writes, whole rows at a time, the first of them at once. Raises psycopg.Error."""
        self.count = -statement.heads
        text = ClientCursor(self._connection).mogrify(statement.query, statement.params)
        connection = self._connection.pgconn
        begun = connection.exec_(f"COPY ({text}) TO STDOUT ({statement.options})".encode())
        if begun.status != pq.ExecStatus.COPY_OUT:
            raise self._note(psycopg.errors.error_from_result(begun))
        take = connection.get_copy_data
        rows: list[bytes | memoryview] = []
        held, most = 0, 1
        while True:
            length, row = take(0)  # psycopg's own way of reading takes four times as long, row by row
            if length < 0:
                break
            rows.append(row)
            held += length
            if held >= most and self.count + len(rows) > 0:  # a header alone is no sign that there will be rows
                self.count += len(rows)
                yield b"".join(rows)
                rows, held, most = [], 0, size
                self._between()
        self.count += len(rows)
        ended = connection.get_result()
        while connection.get_result() is not None:
            pass
        if ended is None:
            raise psycopg.OperationalError("the rows ended before their end")
        if ended.status != pq.ExecStatus.COMMAND_OK:
            raise self._note(psycopg.errors.error_from_result(ended))
        if rows:
            yield b"".join(rows)

    def _note(self, error: psycopg.Error) -> psycopg.Error:
        """Remember it: a library that asks for rows may tell of it in words of its own."""
        self.fault = error
        return error

    def find_wide(self, of: Selection, most: int) -> set[str]:
        """Fields of whole numbers of which some are larger than `most`, or smaller than its opposite."""
        names = [name for name, kind in of.fields if kind == "integer"]
        if not names:
            return set()
        tests = SQL(", ").join(
            SQL("coalesce(max({0}) > {1} OR min({0}) < -{1}, false)").format(name_column(name), Literal(most))
            for name in names
        )
        query = SQL("SELECT {} FROM {} AS t WHERE {}").format(tests, Identifier("layers", of.table), SQL(of.condition))
        found = ClientCursor(self._connection).execute(query, dict(of.params)).fetchone() or ()
        return {name for name, wide in zip(names, found, strict=True) if wide}

    def count_rows(self, of: Selection) -> int:
        """How many rows the selection has, in the same snapshot."""
        query = SQL("SELECT count(*) FROM {} AS t WHERE {}").format(
            Identifier("layers", of.owner or of.table), SQL(of.condition)
        )
        found = ClientCursor(self._connection).execute(query, dict(of.params)).fetchone()
        return int(found[0]) if found else 0


@contextmanager
def open_rows(
    url: str, layer_id: str, version: int | None, of: Selection, between: Callable[[], None] = lambda: None
) -> Iterator[Rows]:
    """A connection of its own, with one snapshot until it is closed; its query ends with whoever reads.

    `between` is called after each block of rows. Raises OvertakenError where the layer's rows are others by now than
    those of this version, where one is named.
    """
    tables = SQL(", ").join(Identifier("layers", name) for name in (of.table, of.owner) if name)
    settings = SettingsOf(client_connection_check_interval=_WATCH)
    with connect(url, application="geoserver download", settings=settings) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        # Before there is a snapshot: a table that takes the place of one of these after it would seem to be empty.
        connection.execute(SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(tables))
        found = connection.execute("SELECT version FROM geoserver.states WHERE id = %s", [layer_id]).fetchone()
        if version is not None and (found is None or found[0] != version):
            raise OvertakenError
        rows = Rows(connection, between)
        try:
            yield rows
        except Exception as error:
            if connection.broken:
                raise psycopg.OperationalError("the connection was lost") from error
            if rows.fault and rows.fault is not error:
                raise rows.fault from error
            raise


def header_of(of: Selection, place: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns of a table."""
    owner = (of.owner_key,) if of.owner_key else ()
    return ("fid", *owner, *(name for name, _ in of.fields), *place)
