"""The rows of a layer that are new, as `geoserver.arrivals` has them (see migrations/011_arrivals.sql)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL, Composed

from geoserver.database.queries import Condition, show_list, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from geoserver.database.pool import Database
    from geoserver.model import Layer

__all__ = ["DAYS", "Newcomer", "read_newcomers"]

DAYS = 30  # for which a row is new, as long as its layer's log is not full
# Names with a blank are those of no field.
_NEWCOMERS = SQL("""
WITH noted AS (
    SELECT fid AS "noted fid", max("noted at") AS "noted at"
      FROM (SELECT unnest(fids) AS fid, at AS "noted at" FROM geoserver.arrivals
             WHERE layer = %(layer of arrivals)s AND at > now() - make_interval(days => {days})) AS entries
     GROUP BY fid
), found AS (
    SELECT fid, geom AS "its shape"{fields} FROM {table}
     WHERE fid IN (SELECT "noted fid" FROM noted) AND ({where})
), newest AS (
    SELECT * FROM found JOIN noted ON "noted fid" = fid ORDER BY "noted at" DESC, fid DESC LIMIT {most}
)
SELECT *, ST_X("its point") AS "its lon", ST_Y("its point") AS "its lat"
  FROM (SELECT *, ST_Transform(CASE WHEN ST_GeometryType("its shape") = 'ST_Point' THEN "its shape"
                                    ELSE ST_PointOnSurface("its shape") END, 4326) AS "its point" FROM newest) AS placed
 ORDER BY "noted at" DESC, fid DESC""")


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A row, when it came, and a place on it in degrees; None for one that lies nowhere."""

    fid: int
    at: datetime
    properties: Mapping[str, Any]
    place: tuple[float, float] | None


async def read_newcomers(database: Database, layer: Layer, where: Condition, most: int) -> list[Newcomer]:
    """Those that the condition leaves, the latest first, at most so many."""
    fields = Composed([SQL(", "), show_list(layer.fields)]) if layer.fields else SQL("")
    query = _NEWCOMERS.format(
        fields=fields, table=table_of(layer.table), where=where.sql, most=SQL(str(most)), days=SQL(str(DAYS))
    )
    rows = await database.fetch(query, {**where.params, "layer of arrivals": layer.id})
    return [_build(row, layer) for row in rows]


def _build(row: Mapping[str, Any], layer: Layer) -> Newcomer:
    lon, lat = row["its lon"], row["its lat"]
    place = None if lon is None or lat is None else (lon, lat)
    return Newcomer(row["fid"], row["noted at"], {name: row[name] for name in layer.fields}, place)
