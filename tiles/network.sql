-- Lines of a basemap that nobody asks for one by one: streets, railways, rivers.
-- (points.sql says how a recipe is written.)
--
-- geometry: lines
--
-- Below zoom 14 what is alike in all that a tile says of it is one feature: nobody asks for a single one there, and a
-- feature of its own takes as many bytes as its corners. What is shorter than half a pixel is left out.
-- From zoom 14 on each is a feature with its id, exact.

SELECT coalesce(
    (
        SELECT ST_AsMVT(features.*, {layer}, 4096, 'geom')
        FROM (
            SELECT
                ST_AsMVTGeom(ST_Collect(line ORDER BY fid), ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true) AS geom
                {names}
            FROM (
                SELECT fid, ST_Simplify(geom_3857, %(pixel)s / 2, true) AS line {columns}
                FROM {table}
                WHERE %(z)s < 14
                  AND geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 64.0 / 4096)
                  AND visible_from <= %(z)s
                  AND ({where})
            ) AS simple
            GROUP BY ST_Dimension(line) {names}
            ORDER BY min(fid)
        ) AS features
    ), ''
) || coalesce(
    (
        SELECT ST_AsMVT(features.*, {layer}, 4096, 'geom', 'fid')
        FROM (
            SELECT
                fid,
                ST_AsMVTGeom(geom_3857, ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true) AS geom
                {columns}
            FROM {table}
            WHERE %(z)s >= 14
              AND geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 64.0 / 4096)
              AND ({where})
            ORDER BY fid
        ) AS features
    ), ''
)
