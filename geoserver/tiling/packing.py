"""Packed points: per block of the map and value of the main choice field, all positions and times, sorted by time.

A filter on that field and a stretch of time is then answered from a few arrays, by binary search, and unfiltered bins
from all of them: no row of the layer is visited. A point takes 12 bytes. An edit repacks the blocks that it touches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composed, Identifier, Literal

from geoserver.tiling.bins import MOST_VALUES, anchor_of

if TYPE_CHECKING:
    from psycopg.sql import Composable

    from geoserver.model import Layer

__all__ = ["build_pack_index", "build_pack_statement"]


# One sort by one number (block, code, and whether there is a time), time and place: sorting each array costs more.
_POINTS = """
SELECT (key >> 40)::integer AS x, (key >> 16 & 16777215)::integer AS y, ((key >> 1 & 32767) - 2)::smallint AS code,
    array_agg(c) AS c, CASE WHEN key & 1 = 1 THEN array_agg(t) END AS t
FROM (
    SELECT
        (geoserver.cell(ST_X({anchor}), {block})::bigint << 40)
            | (geoserver.cell(-ST_Y({anchor}), {block})::bigint << 16)
            | ((coalesce(known.code, CASE WHEN {facet} IS NULL THEN -1 ELSE -2 END) + 2) << 1)
            | ({time} IS NOT NULL)::integer AS key,
        ((geoserver.cell(-ST_Y({anchor}), {level}) & {mask}) << 15)
            | (geoserver.cell(ST_X({anchor}), {level}) & {mask}) AS c,
        {time} AS t
    FROM {rows} LEFT JOIN {known} AS known ON known.value = {facet}
    ORDER BY key, t, c
) AS points
GROUP BY key"""

# As one statement with the table, because PostgreSQL then reads and sorts in several processes.
_PACK = SQL(f"CREATE TABLE {{packed}} AS {_POINTS}")
_PACK_SOME = SQL(f"INSERT INTO {{packed}} (x, y, code, c, t) {_POINTS}")
# Statistics of what is in the arrays are dear and of no use.
_FINISH = SQL("""
ALTER TABLE {packed} ALTER c SET STATISTICS 0, ALTER t SET STATISTICS 0;
CREATE INDEX {index} ON {packed} (x, y);
ANALYZE {packed}""")

# After an edit: packs the blocks in $1 again (NULL: all), each its column << 32 + its row, and gives new values codes.
_REPACK = SQL("""
WITH blocks AS (
    SELECT (key >> 32)::integer AS x, (key & 4294967295)::integer AS y FROM unnest($1::bigint[]) AS b (key)
    UNION SELECT x, y FROM {packed} WHERE $1 IS NULL
    UNION SELECT geoserver.cell(ST_X({anchor}), {block}), geoserver.cell(-ST_Y({anchor}), {block})
            FROM {table} WHERE $1 IS NULL
),
changed AS MATERIALIZED (
    SELECT r.* FROM blocks AS b, LATERAL (
        SELECT * FROM {table} WHERE geom_3857 && ST_TileEnvelope({block}, b.x, b.y, margin => 1.0 / 4096)
           AND geoserver.cell(ST_X({anchor}), {block}) = b.x AND geoserver.cell(-ST_Y({anchor}), {block}) = b.y
    ) AS r
),
fresh AS (
    INSERT INTO geoserver.facets (layer, code, value)
    SELECT {layer}, greatest((SELECT max(code) FROM geoserver.facets WHERE layer = {layer}), {last_named})
           + row_number() OVER (ORDER BY value), value
      FROM (SELECT DISTINCT {facet} AS value FROM changed AS r WHERE {whole} AND {facet} IS NOT NULL
            EXCEPT SELECT value FROM geoserver.facets WHERE layer = {layer}) AS v
    RETURNING code, value
),
known AS (SELECT code, value FROM geoserver.facets WHERE layer = {layer} UNION ALL SELECT code, value FROM fresh),
gone AS (DELETE FROM {packed} AS p USING blocks AS b WHERE p.x = b.x AND p.y = b.y)
{insert}""")


def build_pack_index(packed: str) -> Composed:
    """What the table of packed points needs once it is filled."""
    return _FINISH.format(packed=Identifier("layers", packed), index=Identifier(f"{packed}_x_y"))


def build_pack_statement(
    layer: Layer, facet: str, geometry_type: str, *, block: int, level: int, whole: bool, table: str, packed: str
) -> tuple[Composed, Composed]:
    """Two statements: one that packs every row of `table` into a new one, and one for PL/pgSQL: blocks in $1 again.

    The second is of the layer's tables in service, whatever `table` and `packed` are.
    """
    values: Composable = SQL("{}::text").format(Identifier("r", facet)) if facet else SQL("NULL::text")
    known = SQL("(SELECT code, value FROM geoserver.facets WHERE layer = {})").format(Literal(layer.id))
    shared: dict[str, Composable] = {
        "anchor": anchor_of(geometry_type),
        "block": Literal(block),
        "level": Literal(level),
        "mask": Literal((1 << level - block) - 1),
        "facet": values,
        "time": Identifier("r", layer.time) if layer.time else SQL("NULL::timestamptz"),
    }
    pack = _PACK.format(
        packed=Identifier("layers", packed),
        rows=SQL("{} AS r").format(Identifier("layers", table)),
        known=known,
        **shared,
    )
    own = {"packed": Identifier("layers", f"{layer.table}__packed"), **shared}
    repack = _REPACK.format(
        table=Identifier("layers", layer.table),
        layer=Literal(layer.id),
        last_named=Literal(MOST_VALUES - 1),
        whole=Literal(whole),
        insert=_PACK_SOME.format(rows=SQL("changed AS r"), known=SQL("known"), **own),
        **own,
    )
    return pack, repack
