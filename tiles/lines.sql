-- Lines: simplified to half a pixel below zoom 14, and exact from there on. (points.sql says how a recipe is written.)
--
-- bins: lines
--
-- A line whose bounding box is less than half a pixel wide and high could not be seen, and is counted in a bin; where a
-- filter leaves so few that all are drawn, it is drawn three pixels long. From zoom 14 on what is smaller than the tile's
-- grid (0.6 m at zoom 14) is drawn two steps long. What would vanish for another reason does not, at any zoom: a line that
-- comes back on itself on the grid (a thin loop) is drawn once along, and where each part of a line is as small as that,
-- each is drawn two steps long.
-- Lines are simplified whole and then cut, so that the parts in neighbouring tiles meet.

SELECT ST_AsMVT(features.*, {layer}, 4096, 'geom', 'fid')
FROM (
    SELECT
        fid,
        coalesce(
            ST_AsMVTGeom(
                CASE
                    WHEN %(z)s < 14 AND ST_XMax(geom_3857) - ST_XMin(geom_3857) < %(pixel)s / 2
                     AND ST_YMax(geom_3857) - ST_YMin(geom_3857) < %(pixel)s / 2
                    THEN ST_MakeLine(ST_Translate(ST_Centroid(geom_3857), %(pixel)s * -1.5, 0),
                                     ST_Translate(ST_Centroid(geom_3857), %(pixel)s * 1.5, 0))
                    WHEN %(z)s < 14 THEN ST_Simplify(geom_3857, %(pixel)s / 2, true)
                    WHEN ST_XMax(geom_3857) - ST_XMin(geom_3857) < %(pixel)s / 4
                     AND ST_YMax(geom_3857) - ST_YMin(geom_3857) < %(pixel)s / 4
                    THEN ST_MakeLine(ST_Translate(ST_Centroid(geom_3857), %(pixel)s / -8, 0),
                                     ST_Translate(ST_Centroid(geom_3857), %(pixel)s / 8, 0))
                    ELSE geom_3857
                END,
                ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true
            ),
            -- From here on for few: those of which that leaves nothing, if they are in this tile at all.
            ST_AsMVTGeom(
                ST_UnaryUnion(ST_SnapToGrid(
                    ST_ClipByBox2D(
                        CASE WHEN %(z)s < 14 THEN ST_Simplify(geom_3857, %(pixel)s / 2, true) ELSE geom_3857 END,
                        ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 0.03)
                    ),
                    %(pixel)s / 8
                )),
                ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true
            ),
            ST_AsMVTGeom(
                (
                    SELECT ST_Collect(ST_MakeLine(ST_Translate(middle, %(pixel)s / -8, 0),
                                                  ST_Translate(middle, %(pixel)s / 8, 0)))
                    FROM (
                        SELECT ST_Centroid(part.geom) AS middle
                        FROM ST_Dump(ST_ClipByBox2D(geom_3857,
                                                    ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 0.03))) AS part
                    ) AS parts
                ),
                ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true
            )
        ) AS geom
        {columns}
    FROM {table}
    WHERE geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 64.0 / 4096)
      AND ({where})
    ORDER BY fid
) AS features
