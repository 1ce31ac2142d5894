"""What is within so many metres of a place: how many rows of a layer, and the nearest one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL, Identifier

from geoserver.database.queries import show_list, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.pool import Database
    from geoserver.database.queries import Condition
    from geoserver.model import Field, Layer

__all__ = ["Circle", "Place", "count_within", "find_nearest"]

_DEGREE = 110_500.0  # metres of the shortest degree of latitude
_SPARE = 1.01  # the box is larger than it has to be
_TURN = {"geom": 360.0, "geom_3857": 2 * math.pi * 6_378_137.0}  # once around the world, by column

# The first by distance on the map, which an index tells, is nearly the nearest one: none that is nearer on the ground
# lies outside of a box around its distance, which goes on behind the antimeridian on the map's other side. `other` is
# the place as it is seen from there. A field may have any name that is used here, so they are read apart.
_NEAREST = """
    WITH place AS (SELECT ST_SetSRID(ST_MakePoint(%(lon)s, %(lat)s), 4326) AS shape,
                          ST_SetSRID(ST_MakePoint(%(lon)s + %(turn)s, %(lat)s), 4326) AS other),
    first AS (
      SELECT {metres} AS metres FROM
        (SELECT geom FROM {table} WHERE {condition} ORDER BY {column} <-> {place} LIMIT 1) AS t, place
    ),
    nearest AS (
      SELECT t.fid, {metres} AS metres, {on_it} AS on_it
        FROM (SELECT fid, geom, geom_3857 FROM {table} WHERE {condition}) AS t, place, first
       WHERE {near}
       ORDER BY 2, 1 LIMIT 1
    )
    SELECT fid, metres, ST_X(on_it) AS lon, ST_Y(on_it) AS lat,
           (SELECT row_to_json("the row") FROM (SELECT {fields} FROM {table} WHERE fid = nearest.fid) AS "the row")
             AS properties
      FROM nearest
"""
_METRES = "ST_Distance(ST_Transform(t.geom, 4326)::geography, place.shape::geography)"
_ON_IT = "ST_ClosestPoint(ST_Transform(t.geom, 4326), place.shape)"
_ON_IT_ACROSS = (
    "ST_ClosestPoint(ST_Transform(t.geom, 4326), CASE WHEN ST_Distance(ST_Transform(t.geom, 4326), place.shape)"
    " <= ST_Distance(ST_Transform(t.geom, 4326), place.other) THEN place.shape ELSE place.other END)"
)
# By the column that the rows are found by: the place in its CRS, and a box around it.
_PLACES = {
    "geom": ("(SELECT shape FROM place)", "ST_Expand(place.shape, first.metres * %(wide)s, first.metres * %(high)s)"),
    "geom_3857": (
        "(SELECT ST_Transform(shape, 3857) FROM place)",
        "ST_Expand(ST_Transform(place.shape, 3857), 1 + first.metres * %(stretched)s)",
    ),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees, and within how many metres."""

    lon: float
    lat: float
    metres: float


@dataclass(frozen=True, slots=True)
class Circle:
    """A condition on rows that keeps to what is around a place, and the column by whose index it finds them: `geom` in
    degrees, or `geom_3857`.
    """

    place: Place
    where: Condition
    column: str


async def count_within(database: Database, layer: Layer, circle: Circle) -> int:
    """How many rows there are."""
    query = SQL("SELECT count(*) FROM {} WHERE {}").format(table_of(layer.table), circle.where.sql)
    return int(await database.fetch_value(query, circle.where.params))


async def find_nearest(
    database: Database, layer: Layer, circle: Circle, fields: Mapping[str, Field]
) -> dict[str, Any] | None:
    """The nearest row: `fid`, `metres` on the ground, `lon` and `lat` of its nearest place, these `properties`."""
    place, where = circle.place, circle.where
    narrowest = math.cos(math.radians(min(89.0, abs(place.lat) + place.metres / _DEGREE)))
    here, box = _PLACES[circle.column]
    wide = _SPARE / _DEGREE / narrowest
    across = abs(place.lon) + place.metres * wide > 180  # noqa: PLR2004 - degrees
    turn = math.copysign(360.0, -place.lon)
    near = SQL("t.{} && {}").format(Identifier(circle.column), SQL(box))
    if across:
        near = SQL("({} OR t.{} && ST_Translate({}, %(around)s, 0))").format(near, Identifier(circle.column), SQL(box))
    query = SQL(_NEAREST).format(
        metres=SQL(_METRES),
        table=table_of(layer.table),
        condition=where.sql,
        column=Identifier(circle.column),
        place=SQL(here),
        near=near,
        on_it=SQL(_ON_IT_ACROSS if across else _ON_IT),
        fields=show_list(fields) if fields else SQL("NULL AS nothing"),
    )
    values = {
        "lon": place.lon,
        "lat": place.lat,
        "high": _SPARE / _DEGREE,
        "wide": wide,
        "stretched": _SPARE / narrowest,
        "turn": turn,
        "around": math.copysign(_TURN[circle.column], turn),
    }
    return await database.fetch_row(query, {**where.params, **values})
