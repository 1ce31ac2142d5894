-- What a basemap is from afar: areas and lines that were merged and simplified for each zoom when they were made, so that a
-- tile is no more than a cut through those of its own zoom. (points.sql says how a recipe is written.)
--
-- columns: zoom integer, class text
--
-- All of one class and kind are one feature: at these zooms nobody asks for a single one, and a feature of its own takes
-- as many bytes as its corners.

SELECT ST_AsMVT(features.*, {layer}, 4096, 'geom')
FROM (
    SELECT
        ST_CollectionExtract(ST_Collect(geom ORDER BY fid), ST_Dimension(geom) + 1) AS geom
        {names}
    FROM (
        SELECT
            fid,
            ST_AsMVTGeom(geom_3857, ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true) AS geom
            {columns}
        FROM {table}
        WHERE zoom = %(z)s AND geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 64.0 / 4096)
          AND ({where})
    ) AS cut
    WHERE geom IS NOT NULL
    GROUP BY ST_Dimension(geom) {names}
    ORDER BY min(fid)
) AS features
