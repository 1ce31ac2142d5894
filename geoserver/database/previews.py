"""What a small picture of a layer is drawn of: shapes simplified to its pixels, or how many rows lie in its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from psycopg.sql import SQL, Composable, Identifier

from geoserver.database.queries import Condition, table_of

if TYPE_CHECKING:
    from geoserver.database.pool import Database
    from geoserver.model import Layer

__all__ = ["Frame", "read_cells", "read_shapes"]

# What is too small to be seen is left out, the largest come first.
_SHAPES = SQL("""
SELECT ST_AsSVG(shape, 0, 1) AS path
FROM (
    SELECT ST_Affine(
        ST_Simplify(ST_ClipByBox2D(geom_3857, {box}), %(fine)s), %(scale)s, 0, 0, %(scale)s, -%(west)s * %(scale)s,
        -%(north)s * %(scale)s
    ) AS shape
    FROM (
        SELECT geom_3857 FROM {table}
        WHERE geom_3857 && {box} AND visible_from <= %(zoom)s AND ({where})
        ORDER BY visible_from, fid LIMIT %(most)s
    ) AS seen
) AS drawn
WHERE NOT ST_IsEmpty(shape)""")
_CELLS = SQL("""
SELECT floor((x - %(west)s) / %(cell)s)::integer AS col, floor((%(north)s - y) / %(cell)s)::integer AS row,
    count(*) AS count
FROM (
    SELECT {x} AS x, {y} AS y FROM {table} WHERE geom_3857 && {box} AND ({where})
) AS places
WHERE x >= %(west)s AND x < %(east)s AND y > %(south)s AND y <= %(north)s
GROUP BY 1, 2""")
_BOX = SQL("ST_MakeEnvelope(%(west)s, %(south)s, %(east)s, %(north)s, 3857)")


class Frame(NamedTuple):
    """What is seen, in metres of Web Mercator, on so many pixels across."""

    west: float
    south: float
    east: float
    north: float
    width: int

    @property
    def pixel(self) -> float:
        """Metres of a pixel."""
        return (self.east - self.west) / self.width

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return round((self.north - self.south) / self.pixel)

    def as_values(self) -> dict[str, object]:
        return {"west": self.west, "south": self.south, "east": self.east, "north": self.north}


async def read_shapes(
    database: Database, layer: Layer, where: Condition, frame: Frame, *, zoom: int, most: int, fine: float = 0.5
) -> list[str]:
    """Data of SVG paths of the shapes that can be seen at a zoom, the largest first, at most so many.

    They are simplified to `fine` pixels.
    """
    query = _SHAPES.format(table=table_of(layer.table), box=_BOX, where=where.sql)
    values = {"fine": frame.pixel * fine, "scale": 1 / frame.pixel, "zoom": zoom, "most": most}
    rows = await database.fetch(query, {**where.params, **frame.as_values(), **values})
    return [row["path"] for row in rows if row["path"]]


async def read_cells(
    database: Database, layer: Layer, where: Condition, frame: Frame, cell: int
) -> list[tuple[int, int, int]]:
    """Column, row and number of rows of every cell, so many pixels wide, in which there are some: by their middles."""
    middle: list[Composable] = [
        SQL("(ST_{0}Min({1}) + ST_{0}Max({1})) / 2").format(SQL(axis), Identifier("geom_3857")) for axis in ("X", "Y")
    ]
    query = _CELLS.format(table=table_of(layer.table), box=_BOX, where=where.sql, x=middle[0], y=middle[1])
    rows = await database.fetch(query, {**where.params, **frame.as_values(), "cell": cell * frame.pixel})
    return [(row["col"], row["row"], row["count"]) for row in rows]
