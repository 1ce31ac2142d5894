-- Polygons: simplified to half a pixel below zoom 14, and exact from there on. (points.sql says how a recipe is written.)
--
-- bins: polygons
--
-- A polygon of less than a square pixel could not be seen, and is counted in a bin; where a filter leaves so few that all
-- are drawn, it is drawn three pixels wide along its edge. From zoom 14 on what is smaller than the tile's grid (0.6 m at
-- zoom 14) is drawn two steps wide. What is long but so thin that nothing of it is left on the grid (a kerb, a hedge, many
-- small parts far from each other) is drawn along its edge, two steps wide, at any zoom: as a polygon, because that is what
-- styles fill. No polygon is lost.
-- Polygons are simplified whole and then cut, so that the parts in neighbouring tiles meet.
-- From zoom 14 on a polygon that is in the tile as a whole need not be cut: it is put on the grid as it is, which takes
-- half of the time, where it stays valid there. Four corners are surely valid with an area above 0.0481 (a twelfth of the
-- root of 1/3) of their perimeter's square: crossed, they are two triangles, and no triangle encloses more.

SELECT ST_AsMVT(features.*, {layer}, 4096, 'geom', 'fid')
FROM (
    SELECT
        fid,
        CASE
            WHEN "the grid" @ ST_MakeEnvelope(-64, -64, 4160, 4160)
             -- Not one of the small ones below.
             AND ST_XMax("the grid") - ST_XMin("the grid") + ST_YMax("the grid") - ST_YMin("the grid") > 6
             AND (ST_NPoints("the grid") = 5 AND ST_Area("the grid") > 0.0482 * ST_Perimeter("the grid") ^ 2
                  OR ST_IsValid("the grid"))
            THEN ST_ForcePolygonCCW("the grid")
            ELSE coalesce(
                ST_AsMVTGeom(
                    CASE
                        WHEN %(z)s < 14 AND ST_Area(geom_3857) < %(pixel)s ^ 2
                        THEN ST_Buffer(ST_Simplify(ST_Boundary(geom_3857), %(pixel)s / 2, true), %(pixel)s * 1.5,
                                       'quad_segs=1 endcap=square join=bevel')
                        WHEN %(z)s < 14 THEN ST_Simplify(geom_3857, %(pixel)s / 2, true)
                        WHEN ST_XMax(geom_3857) - ST_XMin(geom_3857) < %(pixel)s / 4
                         AND ST_YMax(geom_3857) - ST_YMin(geom_3857) < %(pixel)s / 4
                         AND ST_Area(geom_3857) < (%(pixel)s / 4) ^ 2
                        THEN ST_Expand(ST_Centroid(geom_3857), %(pixel)s / 8)
                        ELSE geom_3857
                    END,
                    ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true
                ),
                -- For few: those of which that leaves nothing, if they are in this tile at all.
                ST_AsMVTGeom(
                    ST_Buffer(
                        ST_ClipByBox2D(
                            CASE WHEN %(z)s < 14 THEN ST_Simplify(ST_Boundary(geom_3857), %(pixel)s / 2, true)
                                 ELSE ST_Boundary(geom_3857) END,
                            ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 0.03)
                        ),
                        %(pixel)s / 8, 'quad_segs=1 endcap=square join=bevel'
                    ),
                    ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true
                )
            )
        END AS geom
        {columns}
    FROM {table}, LATERAL (
        SELECT CASE WHEN %(z)s >= 14 THEN ST_SnapToGrid(
            ST_TransScale(
                geom_3857,
                20037508.342789244 - %(x)s * %(pixel)s * 512, %(y)s * %(pixel)s * 512 - 20037508.342789244,
                8 / %(pixel)s, -8 / %(pixel)s
            ), 1
        ) END AS "the grid"  -- a name that no field can have
        OFFSET 0  -- once for each polygon
    ) AS snapped
    WHERE geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 64.0 / 4096)
      AND ({where})
    ORDER BY fid
) AS features
