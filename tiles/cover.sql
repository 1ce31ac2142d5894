-- Areas of a basemap that nobody asks for one by one: land use, parks, water. (points.sql says how a recipe is written.)
--
-- geometry: polygons
--
-- Below zoom 14 they are simplified to half a pixel, and those of less than four square pixels are left out; from there on
-- each is in its tiles, exact.

SELECT ST_AsMVT(features.*, {layer}, 4096, 'geom', 'fid')
FROM (
    SELECT
        fid,
        ST_AsMVTGeom(
            CASE WHEN %(z)s < 14 THEN ST_Simplify(geom_3857, %(pixel)s / 2, true) ELSE geom_3857 END,
            ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true
        ) AS geom
        {columns}
    FROM {table}
    WHERE geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 64.0 / 4096)
      AND (%(z)s >= 14 OR visible_from < %(z)s)
      AND ({where})
    ORDER BY fid
) AS features
