-- Areas of a basemap that nobody asks for one by one: land use, parks, water.
-- (points.sql says how a recipe is written.)
--
-- geometry: polygons
--
-- Below zoom 14 what is alike in all that a tile says of it is one feature: nobody asks for a single one there, and a
-- feature of its own takes as many bytes as its corners. What is smaller than four square pixels is left out.
-- From zoom 14 on each is a feature with its id, exact.

SELECT coalesce(
    (
        SELECT ST_AsMVT(features.*, {layer}, 4096, 'geom')
        FROM (
            SELECT ST_CollectionExtract(ST_Collect(geom ORDER BY fid), 3) AS geom {names}
            FROM (
                SELECT
                    fid,
                    ST_AsMVTGeom(ST_Simplify(geom_3857, %(pixel)s / 2, true), ST_TileEnvelope(%(z)s, %(x)s, %(y)s),
                                 4096, 64, true) AS geom
                    {columns}
                FROM {table}
                WHERE %(z)s < 14
                  AND geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 64.0 / 4096)
                  AND visible_from < %(z)s
                  AND ({where})
            ) AS cut
            WHERE geom IS NOT NULL
            GROUP BY ST_Dimension(geom) {names}
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
