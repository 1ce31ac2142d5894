"""What the layer API asks of one layer: how many rows, one feature, its readings, what was rejected."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

from psycopg.sql import SQL, Composed, Identifier

from geoserver.fieldtypes import FIELD_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from psycopg.sql import Composable

    from geoserver.database.pool import Database
    from geoserver.fieldtypes import FieldType
    from geoserver.model import Field, Layer

__all__ = [
    "Condition",
    "count",
    "read_feature",
    "read_loads",
    "read_notes",
    "read_readings",
    "read_rejects",
    "show",
    "table_of",
]

_UNTOLD = "one of its values cannot be read"  # instead of a reason that names a field which the reader may not see
_INT64 = 2**63
_DIGITS = 7  # decimals of a degree: a centimetre


class Condition(Protocol):
    """A compiled filter: a boolean expression over the table's columns with its bound values."""

    @property
    def sql(self) -> Composable: ...

    @property
    def params(self) -> dict[str, object]: ...

    @property
    def canonical(self) -> str: ...


def table_of(name: str) -> Identifier:
    return Identifier("layers", name)


def show(name: str, kind: FieldType, table: tuple[str, ...] = ()) -> Composable:
    """A column as JSON can hold it: what is not finite is null, days and times are ISO 8601, in UTC."""
    return SQL(FIELD_TYPES[kind].json).format(Identifier(*table, name))


def show_list(fields: Mapping[str, Field]) -> Composed:
    """The columns of these fields as JSON can hold them, under their names."""
    return SQL(", ").join(
        [SQL("{} AS {}").format(show(name, item.type), Identifier(name)) for name, item in fields.items()]
    )


async def count(database: Database, layer: Layer, where: Condition) -> int:
    """Rows that the condition leaves; `status.rows` is quicker when nothing is filtered."""
    query = SQL("SELECT count(*) FROM {} WHERE {}").format(table_of(layer.table), where.sql)
    return int(await database.fetch_value(query, where.params))


async def read_feature(database: Database, layer: Layer, fid: int, where: Condition) -> dict[str, Any] | None:
    """One row: every declared field by name, and `geometry` as GeoJSON text in lon/lat; None when there is none.

    `where` leaves the rows that may be seen.
    """
    if not -_INT64 <= fid < _INT64:
        return None
    comma = SQL(", ") if layer.fields else SQL("")
    query = SQL(
        "SELECT ST_AsGeoJSON(ST_Transform(geom, 4326), {}) AS geometry{}{} FROM {} WHERE fid = %(fid)s AND {}"
    ).format(_DIGITS, comma, show_list(layer.fields), table_of(layer.table), where.sql)
    return await database.fetch_row(query, {**where.params, "fid": fid})


async def read_readings(
    database: Database, layer: Layer, fid: int, where: Condition, limit: int
) -> list[dict[str, Any]]:
    """The newest readings of a feature, at most `limit`, oldest first; `where` is over the readings' columns."""
    if layer.readings is None or not -_INT64 <= fid < _INT64:
        return []
    time = Identifier(layer.readings.time)
    query = SQL(
        "SELECT {columns} FROM {table} WHERE fid = %(fid)s AND {time} IS NOT NULL AND {condition}"
        " ORDER BY {table}.{time} DESC LIMIT %(limit)s"
    ).format(
        columns=show_list(layer.readings.fields),
        table=table_of(layer.readings_table),
        time=time,
        condition=where.sql,
    )
    rows = await database.fetch(query, {**where.params, "fid": fid, "limit": limit})
    return rows[::-1]


async def read_rejects(database: Database, layer: Layer, limit: int) -> list[dict[str, Any]]:
    """Rows of the layer's last load that could not be served, in the order of the source.

    Nobody can tell whose rows they would have been, so they are for those who see all rows.
    `raw` has the values of fields that are declared now, whatever was declared when the rows were loaded.
    """
    if layer.rows is not None:
        return []
    query = SQL(
        "SELECT line, reason, fields FROM geoserver.rejects WHERE layer = %(layer)s"
        " ORDER BY line, reason LIMIT %(limit)s"
    )
    rows = await database.fetch(query, {"layer": layer.id, "limit": limit})
    names_hidden = _build_search(layer.hidden)
    return [
        {
            "line": row["line"],
            "reason": _UNTOLD if names_hidden(row["reason"]) else row["reason"],
            "raw": "; ".join(f"{name}={row['fields'][name]}" for name in layer.fields if name in row["fields"]),
        }
        for row in rows
    ]


async def read_loads(database: Database, layer: Layer, limit: int) -> list[dict[str, Any]]:
    """The layer's latest loads, the newest first: `reasons` counts rejected rows, `changed` values of declared fields.

    As with rejects, for those who see all rows; reasons that name a field which they do not see are told as one.
    """
    if layer.rows is not None:
        return []
    query = SQL(
        "SELECT at, version, read, rows, rejected, readings, changed, reasons FROM geoserver.loads"
        " WHERE layer = %(layer)s ORDER BY id DESC LIMIT %(limit)s"
    )
    loads = await database.fetch(query, {"layer": layer.id, "limit": limit})
    names_hidden = _build_search(layer.hidden)
    for load in loads:
        reasons = Counter[str]()
        for reason, count in load["reasons"].items():
            reasons[_UNTOLD if names_hidden(reason) else reason] += count
        load["reasons"] = dict(reasons.most_common())
        load["changed"] = sum(count for name, count in load["changed"].items() if not name or name in layer.fields)
    return loads


def _build_search(hidden: Collection[str]) -> Callable[[str], object]:
    """Finds whether a text names one of these fields."""
    if not hidden:
        return lambda _: None
    return re.compile(rf"(?<!\w)({'|'.join(map(re.escape, hidden))})(?!\w)").search


async def read_notes(database: Database, layer: Layer) -> list[dict[str, Any]]:
    """What the layer's last load changed in the rows that it kept; of fields that are declared now.

    As with rejects, for those who see all rows.
    """
    if layer.rows is not None:
        return []
    notes = await database.fetch_value(
        SQL("SELECT notes FROM geoserver.layers WHERE id = %(layer)s"), {"layer": layer.id}
    )
    return [note for note in notes or [] if not note["field"] or note["field"] in layer.fields]
