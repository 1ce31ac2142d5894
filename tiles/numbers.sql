-- House numbers of a basemap: each of a street once in a tile, however many shops and doors have it.
-- (points.sql says how a recipe is written.)
--
-- geometry: points
-- columns: number text, street text

SELECT ST_AsMVT(features.*, {layer}, 4096, 'geom', 'fid')
FROM (
    SELECT fid, geom {names}
    FROM (
        SELECT DISTINCT ON (houses.number, coalesce(houses.street, houses.fid::text))
            fid,
            ST_AsMVTGeom(geom_3857, ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true) AS geom
            {columns}
        FROM {table} AS houses
        WHERE geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 64.0 / 4096)
          AND ({where})
        ORDER BY houses.number, coalesce(houses.street, houses.fid::text), fid
    ) AS once
    ORDER BY fid
) AS features
