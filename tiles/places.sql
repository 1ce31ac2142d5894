-- Names of a basemap, each from the zoom on at which the styles letter it: from afar a country's cities, not each of its
-- hamlets. (points.sql says how a recipe is written.)
--
-- geometry: points
-- columns: kind text, rank integer

SELECT ST_AsMVT(features.*, {layer}, 4096, 'geom', 'fid')
FROM (
    SELECT
        fid,
        ST_AsMVTGeom(geom_3857, ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true) AS geom
        {columns}
    FROM {table}
    WHERE geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 64.0 / 4096)
      AND %(z)s >= CASE kind
          WHEN 'city' THEN 0
          WHEN 'town' THEN 7
          WHEN 'water' THEN CASE WHEN rank <= 2 THEN 8 ELSE 10 END
          WHEN 'village' THEN 10
          WHEN 'island' THEN 10
          WHEN 'district' THEN 11
          WHEN 'park' THEN CASE WHEN rank <= 6 THEN 12 ELSE 14 END
          WHEN 'square' THEN 13
          WHEN 'airport' THEN 11
          ELSE 12
      END
      AND ({where})
    ORDER BY fid
) AS features
