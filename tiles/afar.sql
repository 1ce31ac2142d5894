-- What a basemap is from afar: areas and lines that were merged and simplified for each zoom when they were made, so that a
-- tile is no more than a cut through those of its own zoom. (points.sql says how a recipe is written.)
--
-- columns: zoom integer, class text
--
-- What is in the tile as a whole need not be cut: its corners were put on the tile's grid when it was made, and are taken
-- as they are, which takes a tenth of the time. There is one row for all of a class that is in one tile alone.

SELECT ST_AsMVT(features.*, {layer}, 4096, 'geom')
FROM (
    SELECT
        CASE
            WHEN geom_3857 @ ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 64.0 / 4096)
            THEN ST_ForcePolygonCCW(ST_SnapToGrid(
                ST_TransScale(
                    geom_3857,
                    20037508.342789244 - %(x)s * %(pixel)s * 512, %(y)s * %(pixel)s * 512 - 20037508.342789244,
                    8 / %(pixel)s, -8 / %(pixel)s
                ), 1
            ))
            ELSE ST_AsMVTGeom(geom_3857, ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true)
        END AS geom
        {columns}
    FROM {table}
    WHERE zoom = %(z)s AND geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 64.0 / 4096)
      AND ({where})
    ORDER BY fid
) AS features
