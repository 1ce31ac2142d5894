"""What is called so: rows of a layer by their names, with where they lie, and the settlements beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Identifier

from geoserver.database.queries import table_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.database.pool import Database
    from geoserver.database.queries import Condition
    from geoserver.model import Layer

__all__ = ["Named", "find_named", "find_nearest"]


@dataclass(frozen=True, slots=True)
class Named:
    """One row: the values that were asked for as text, a point on it and the box around it, in degrees."""

    fid: int
    texts: tuple[str | None, ...]
    at: tuple[float, float]
    box: tuple[float, float, float, float]


async def find_named(
    database: Database, layer: Layer, where: Condition, columns: Sequence[str], most: int
) -> list[Named]:
    """Rows that the condition leaves, those with the shortest text in the first column before others."""
    query = SQL(
        "SELECT fid, ARRAY[{columns}] AS texts, ST_X(point) AS lon, ST_Y(point) AS lat, ST_XMin(box) AS west,"
        " ST_YMin(box) AS south, ST_XMax(box) AS east, ST_YMax(box) AS north"
        " FROM (SELECT *, ST_Transform(ST_PointOnSurface(geom), 4326) AS point, ST_Transform(geom, 4326) AS box"
        " FROM {table} WHERE geom IS NOT NULL AND {condition} ORDER BY length({first}), fid LIMIT %(most)s) AS found"
    ).format(
        columns=SQL(", ").join(SQL("{}::text").format(Identifier(name)) for name in columns),
        table=table_of(layer.table),
        condition=where.sql,
        first=Identifier(columns[0]),
    )
    rows = await database.fetch(query, {**where.params, "most": most})
    return [
        Named(
            row["fid"],
            tuple(row["texts"]),
            (row["lon"], row["lat"]),
            (row["west"], row["south"], row["east"], row["north"]),
        )
        for row in rows
    ]


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
