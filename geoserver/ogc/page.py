"""One page of features, or one feature, straight from PostGIS as GeoJSON text."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from geoserver.database.queries import show
from geoserver.errors import GeoserverError
from geoserver.fieldtypes import FIELD_TYPES
from geoserver.filtering import build, check_rows
from geoserver.ogc.crs import CRS84, Crs
from geoserver.ogc.keyset import Position, SortKey, build_condition, build_order, select_keys

if TYPE_CHECKING:
    from datetime import datetime

    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.fieldtypes import FieldType
    from geoserver.filtering import Where
    from geoserver.model import Layer

__all__ = ["ItemsQuery", "Page", "build_select", "read_feature", "read_page", "read_times"]

SCHEMA = "layers"
_COUNTS_KEPT = 4096
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
    select, where = _select_features(layer, status, ItemsQuery(crs=crs)), build(layer, status)
    query = SQL("SELECT {} AS feature FROM {} AS t WHERE fid = %(fid)s AND {}").format(
        select, Identifier(SCHEMA, layer.table), where.sql
    )
    rows = database.fetch_sync(query, {**where.params, "fid": fid})
    return rows[0]["feature"] if rows else None


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
    rows: list[dict[str, Any]] = []
    if not query.hits:
        rows = database.fetch_sync(*build_select(layer, status, query))
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    whole = not (more or query.after or query.offset or query.hits)
    matched = len(rows) if whole else _count(database, layer, status, query.where)
    end = None
    if more:
        last = rows[-1]
        end = Position(last["fid"], tuple(last[f"k{index}"] for index in range(len(query.sort))))
    return Page([row["feature"] for row in rows], matched, end, [row["fid"] for row in rows])


def build_select(layer: Layer, status: LayerStatus, query: ItemsQuery) -> tuple[Composed, dict[str, object]]:
    """One row more than the page has, to know whether there is another page.

    The JSON is made outside the LIMIT, so that sorting a million rows does not render a million features.
    """
    conditions: list[Composable] = []
    params: dict[str, object] = {"limit": query.limit + 1}
    if query.where is not None:
        conditions.append(SQL("({})").format(query.where.sql))
        params |= query.where.params
    if query.after is not None:
        condition, bound = build_condition(query.after, query.sort)
        conditions.append(condition)
        params |= bound
    order = build_order(query.sort)
    parts: list[Composable] = [SQL("SELECT * FROM {} AS t").format(Identifier(SCHEMA, layer.table))]
    if conditions:
        parts.append(SQL("WHERE ") + SQL(" AND ").join(conditions))
    parts += [SQL("ORDER BY ") + order, SQL("LIMIT %(limit)s")]
    if query.offset:
        parts.append(SQL("OFFSET %(offset)s"))
        params["offset"] = query.offset
    columns = [Identifier("fid"), *select_keys(query.sort)]
    features = _select_features(layer, status, query)
    text = SQL("SELECT {}, {} AS feature FROM ({}) AS t ORDER BY {}").format(
        SQL(", ").join(columns), features, SQL(" ").join(parts), order
    )
    return text, params


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


def _count(database: Database, layer: Layer, status: LayerStatus, where: Where | None) -> int:
    """How many rows match: known from the load when unfiltered, else counted once per version and filter."""
    if where is None or not (where.canonical and where.asked):
        return status.rows
    key = (database.url, layer.id, status.version, where.canonical)
    if (known := _counts.get(key)) is not None:
        return known
    query = SQL("SELECT count(*) AS n FROM {} WHERE {}").format(Identifier(SCHEMA, layer.table), where.sql)
    count = int(database.fetch_sync(query, where.params)[0]["n"])
    _counts.put(key, count)
    return count
