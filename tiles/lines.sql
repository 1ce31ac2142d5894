-- Lines: simplified to half a pixel below zoom 14, and exact from there on. (points.sql says how a recipe is written.)
--
-- features_from: 14
--
-- Dropped below zoom 14: a line whose bounding box is less than half a pixel wide and high; it could not be seen.
-- Lines are simplified whole and then cut, so that the parts in neighbouring tiles meet.

SELECT ST_AsMVT(features, {layer}, 4096, 'geom', 'fid')
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
      AND (
          %(z)s >= 14
          OR ST_XMax(geom_3857) - ST_XMin(geom_3857) >= %(pixel)s / 2
          OR ST_YMax(geom_3857) - ST_YMin(geom_3857) >= %(pixel)s / 2
      )
      AND ({where})
    ORDER BY fid
) AS features
