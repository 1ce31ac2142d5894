"""The settlements beside what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.sql import SQL, Identifier

from geoserver.database.queries import table_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.database.pool import Database
    from geoserver.database.queries import Condition
    from geoserver.model import Layer

__all__ = ["find_nearest"]


async def find_nearest(
    database: Database, layer: Layer, where: Condition, column: str, points: Sequence[tuple[float, float]]
) -> list[str | None]:
    """For each point in degrees the text of the nearest row that the condition leaves."""
    query = SQL(
        "SELECT (SELECT {column}::text FROM {table} WHERE {condition}"
        " ORDER BY geom <-> ST_Transform(ST_SetSRID(ST_MakePoint(lon, lat), 4326), ST_SRID(geom)) LIMIT 1) AS name"
        " FROM unnest(%(lons)s::float8[], %(lats)s::float8[]) WITH ORDINALITY AS asked (lon, lat, number)"
        " ORDER BY number"
    ).format(column=Identifier(column), table=table_of(layer.table), condition=where.sql)
    lons, lats = [lon for lon, _ in points], [lat for _, lat in points]
    rows = await database.fetch(query, {**where.params, "lons": lons, "lats": lats})
    return [row["name"] for row in rows]
