"""One page of features, or one feature, straight from PostGIS as GeoJSON text."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from geoserver.database.keyset import Position, SortKey, bind_position, build_order, build_parts, select_keys, sign
from geoserver.database.queries import show
from geoserver.errors import GeoserverError
from geoserver.fieldtypes import FIELD_TYPES
from geoserver.filtering import build, check_rows
from geoserver.ogc.crs import CRS84, Crs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.fieldtypes import FieldType
    from geoserver.filtering import Where
    from geoserver.model import Layer

__all__ = [
    "ItemsQuery",
    "Page",
    "build_select",
    "fetch_feature",
    "fetch_page",
    "read_feature",
    "read_page",
    "read_times",
]

SCHEMA = "layers"
_COUNTS_KEPT = 4096
_TEXTS_KEPT = 64  # of one layer
_MERCATOR_SRID = 3857


@dataclass(frozen=True, slots=True)
class ItemsQuery:
    """What a client asked of a collection's items. `where` is None where all rows are for who asks, and asked for."""

    limit: int = 100
    offset: int = 0
    after: Position | None = None  # where the page before ended
    sort: tuple[SortKey, ...] = ()
    where: Where | None = None
    crs: Crs = CRS84
    fields: tuple[str, ...] | None = None  # None: all
    skip_geometry: bool = False
    hits: bool = False  # only count


@dataclass(frozen=True, slots=True)
class Page:
    """`features` are GeoJSON texts in order; `end` is set when there is a next page."""

    features: list[str]
    matched: int
    end: Position | None = None
    ids: list[int] = field(default_factory=list)


class _Counts:
    """Filtered counts that are known already, the latest used ones; a new version of a layer has new keys."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, int, str], int] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str, int, str]) -> int | None:
        with self._lock:
            if (count := self._known.get(key)) is not None:
                self._known.move_to_end(key)
            return count

    def put(self, key: tuple[str, str, int, str], count: int) -> None:
        with self._lock:
            self._known[key] = count
            while len(self._known) > _COUNTS_KEPT:
                self._known.popitem(last=False)


_counts = _Counts()


def read_feature(database: Database, layer: Layer, status: LayerStatus, fid: int, crs: Crs) -> str | None:
    """One feature of those that the layer's reader may see, as GeoJSON text, or None."""
    rows = database.fetch_sync(*_build_feature_query(layer, status, fid, crs))
    return rows[0]["feature"] if rows else None


async def fetch_feature(database: Database, layer: Layer, status: LayerStatus, fid: int, crs: Crs) -> str | None:
    """The same on the event loop."""
    rows = await database.fetch_page(*_build_feature_query(layer, status, fid, crs))
    return rows[0][0] if rows else None


def _build_feature_query(layer: Layer, status: LayerStatus, fid: int, crs: Crs) -> tuple[Composed, dict[str, object]]:
    select, where = _select_features(layer, status, ItemsQuery(crs=crs)), build(layer, status)
    query = SQL("SELECT {} AS feature FROM {} AS t WHERE fid = %(fid)s AND {}").format(
        select, Identifier(SCHEMA, layer.table), where.sql
    )
    return query, {**where.params, "fid": fid}


def read_times(database: Database, layer: Layer, status: LayerStatus) -> tuple[datetime, datetime] | None:
    """First and last time of a layer's features; None without a time field, without a time in it, or just now."""
    if not layer.time:
        return None
    # Python knows the years 1 to 9999 alone.
    text = SQL(
        "SELECT greatest(min({0}), '0001-01-02')::timestamptz AS first,"
        " least(max({0}), '9999-12-30')::timestamptz AS last FROM {1} WHERE isfinite({0}) AND {2}"
    )
    where = build(layer, status)
    query = text.format(Identifier(layer.time), Identifier(SCHEMA, layer.table), where.sql)
    try:
        (row,) = database.fetch_sync(query, where.params or None)
    except (GeoserverError, psycopg.Error):
        return None
    return (row["first"], row["last"]) if row["first"] else None


def read_page(database: Database, layer: Layer, status: LayerStatus, query: ItemsQuery) -> Page:
    """The features of one page and how many match in all."""
    check_rows(layer, query.where)
    found = [] if query.hits else database.fetch_sync(*build_select(layer, status, query))
    rows = [tuple(row.values()) for row in found]
    if (matched := _find_count(database, layer, status, query, len(rows))) is None:
        statement, values = _build_count(layer, query)
        matched = _keep_count(database, layer, status, query, database.fetch_sync(statement, values)[0]["n"])
    return _build_page(query, rows, matched)


async def fetch_page(
    database: Database, layer: Layer, status: LayerStatus, query: ItemsQuery, texts: dict[object, bytes] | None = None
) -> Page:
    """The same on the event loop. `texts` are statements of this layer that were put together before."""
    check_rows(layer, query.where)
    rows = [] if query.hits else await database.fetch_page(*_find_select(layer, status, query, texts))
    if (matched := _find_count(database, layer, status, query, len(rows))) is None:
        ((count,),) = await database.fetch_page(*_build_count(layer, query))
        matched = _keep_count(database, layer, status, query, count)
    return _build_page(query, rows, matched)


def _find_select(
    layer: Layer, status: LayerStatus, query: ItemsQuery, texts: dict[object, bytes] | None
) -> tuple[Composed | bytes, dict[str, object]]:
    """The statement of a page and its values. Where a request filters nothing, it is put together once."""
    if texts is None or (query.where is not None and query.where.asked):
        return build_select(layer, status, query)
    after = query.after and (query.offset, *(value is None for value in query.after.values))
    name = (query.crs, query.fields, query.skip_geometry, *sign(query.sort), after, bool(query.offset), query.limit)
    text = texts.get(name)
    if text is None:
        if len(texts) >= _TEXTS_KEPT:
            texts.clear()
        text = texts[name] = build_select(layer, status, query)[0].as_bytes(None)
    values = dict(query.where.params) if query.where else {}
    values |= bind_position(query.after) if query.after else {}
    return text, values | ({"offset": query.offset} if query.offset else {})


def _build_page(query: ItemsQuery, rows: Sequence[tuple[Any, ...]], matched: int) -> Page:
    """`rows` are feature id, sort keys and feature; one more than the page has says that there is another page."""
    end = None
    if len(rows) > query.limit:
        rows = rows[: query.limit]
        end = Position(rows[-1][0], rows[-1][1:-1])
    return Page([row[-1] for row in rows], matched, end, [row[0] for row in rows])


def build_select(layer: Layer, status: LayerStatus, query: ItemsQuery) -> tuple[Composed, dict[str, object]]:
    """One row more than the page has, to know whether there is another page.

    The JSON is made outside the LIMIT, so that sorting a million rows does not render a million features. The limit, a
    number of ours, stands in the text: with a bound one PostgreSQL would plan anew for each page.
    """
    params: dict[str, object] = dict(query.where.params) if query.where is not None else {}
    parts: list[Composable] = [SQL("TRUE")]
    if query.after is not None:
        parts = build_parts(query.after, query.sort)
        params |= bind_position(query.after)
    order = build_order(query.sort)
    if len(parts) == 1:
        inner = _select_part(layer, query, parts[0], order, query.limit + 1)
    else:  # PostgreSQL takes one part after the other, and stops at the one that fills the page
        most = query.limit + 1 + query.offset
        union = [SQL("({})").format(_select_part(layer, query, part, order, most)) for part in parts]
        inner = SQL("{} LIMIT {}").format(SQL(" UNION ALL ").join(union), Literal(query.limit + 1))
    if query.offset:
        inner = SQL("{} OFFSET %(offset)s").format(inner)
        params["offset"] = query.offset
    columns = [Identifier("fid"), *select_keys(query.sort)]
    features = _select_features(layer, status, query)
    text = SQL("SELECT {}, {} AS feature FROM ({}) AS t ORDER BY {}").format(
        SQL(", ").join(columns), features, inner, order
    )
    return text, params


def _select_part(layer: Layer, query: ItemsQuery, part: Composable, order: Composable, most: int) -> Composed:
    """The first rows of those that match and that the part has."""
    matching = [SQL("({})").format(query.where.sql)] if query.where is not None else []
    return SQL("SELECT * FROM {} AS t WHERE {} ORDER BY {} LIMIT {}").format(
        Identifier(SCHEMA, layer.table), SQL(" AND ").join([*matching, part]), order, Literal(most)
    )


def _select_features(layer: Layer, status: LayerStatus, query: ItemsQuery) -> SQL:
    wanted = layer.listed_fields if query.fields is None else tuple(layer.fields[name] for name in query.fields)
    columns = tuple((item.name, item.type) for item in wanted)
    return _build_feature(columns, status.srid, query.crs, query.skip_geometry)


@functools.lru_cache(maxsize=512)
def _build_feature(columns: tuple[tuple[str, FieldType], ...], srid: int, crs: Crs, skip_geometry: bool) -> SQL:
    """An expression over a row `t` that gives a GeoJSON feature as text."""
    geometry: Composable = SQL("'null'")
    if not skip_geometry:
        geometry = SQL("coalesce(ST_AsGeoJSON({}, {}, 0), 'null')").format(_shape(srid, crs), Literal(crs.digits))
    properties: Composable = _properties(columns) if columns else SQL("'{{}}'").format()
    expression = SQL(
        """'{{"type":"Feature","id":' || t.fid || ',"geometry":' || {} || ',"properties":' || {} || '}}'"""
    ).format(geometry, properties)
    return SQL(expression.as_string(None))  # composed of identifiers and numbers only


def _properties(columns: tuple[tuple[str, FieldType], ...]) -> Composable:
    values = [SQL("{} AS {}").format(_value(name, kind), Identifier(name)) for name, kind in columns]
    # The row has a name here that no field can have.
    return SQL('row_to_json((SELECT "the row" FROM (SELECT {}) AS "the row"))').format(SQL(", ").join(values))


def _value(name: str, kind: FieldType) -> Composable:
    """A column; numbers always with a point or an exponent: GDAL and QGIS take a field for one of integers that has
    no other on the first page, and cut off or lose what comes on later ones.
    """
    if FIELD_TYPES[kind].schema["type"] != "number":
        return show(name, kind, ("t",))
    number = "CASE WHEN {0} = trunc({0}) AND abs({0}) < 1e15 THEN ({0}::float8 || '.0')::json ELSE to_json({1}) END"
    return SQL(number).format(Identifier("t", name), show(name, kind, ("t",)))


def _shape(srid: int, crs: Crs) -> Composable:
    """The geometry in the wanted CRS, x and y in the order that the CRS has them."""
    shape: Composable = SQL("t.geom")
    if crs.srid == _MERCATOR_SRID:
        shape = SQL("t.geom_3857")
    elif crs.srid != srid:
        shape = SQL("ST_Transform(t.geom, {})").format(Literal(crs.srid))
    return SQL("ST_FlipCoordinates({})").format(shape) if crs.flip else shape


def _find_count(database: Database, layer: Layer, status: LayerStatus, query: ItemsQuery, rows: int) -> int | None:
    """How many match, where that is known: from the load when unfiltered, or by the `rows` that were read; else it is
    counted once per version and filter.
    """
    if not (rows > query.limit or query.after or query.offset or query.hits):
        return rows
    if query.where is None or not (query.where.canonical and query.where.asked):
        return status.rows
    return _counts.get((database.url, layer.id, status.version, query.where.canonical))


def _build_count(layer: Layer, query: ItemsQuery) -> tuple[Composed, dict[str, object]]:
    assert query.where is not None  # noqa: S101 - for the type checker: else the count is known
    table = Identifier(SCHEMA, layer.table)
    return SQL("SELECT count(*) AS n FROM {} WHERE {}").format(table, query.where.sql), query.where.params


def _keep_count(database: Database, layer: Layer, status: LayerStatus, query: ItemsQuery, count: int) -> int:
    assert query.where is not None  # noqa: S101 - as above
    _counts.put((database.url, layer.id, status.version, query.where.canonical), count)
    return count
