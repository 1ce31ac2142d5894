-- Web Mercator for every stored geometry: never null, never infinite, whatever lies near a pole.
-- Bodies in SQL are parsed here and now, and PL/pgSQL keeps the search_path of this session, which holds the schema of
-- PostGIS: so a restore, and an editor with another search_path, find the same functions.

CREATE FUNCTION geoserver.clip_to_3857(g geometry) RETURNS geometry
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path FROM CURRENT AS $$
DECLARE
    edge CONSTANT double precision := 85.0511287798066;  -- where the square of Web Mercator ends
    lonlat geometry := CASE WHEN ST_SRID(g) = 4326 THEN g ELSE ST_Transform(g, 4326) END;
    dimension integer := ST_Dimension(g);
    clipped geometry;
    south double precision := ST_YMin(lonlat);
    north double precision := ST_YMax(lonlat);
BEGIN
    IF ST_IsEmpty(g) THEN
        RETURN ST_SetSRID(g, 3857);
    ELSIF south >= -edge AND north <= edge THEN
        RETURN ST_Transform(g, 3857);
    ELSIF dimension = 0 THEN
        -- Points go to the edge of the square, so that none is lost from a tile.
        SELECT ST_Collect(ST_SetSRID(ST_MakePoint(
                   ST_X(part.geom), greatest(least(ST_Y(part.geom), edge), -edge)), 4326))
          INTO clipped FROM ST_Dump(lonlat) AS part;
    ELSIF north < -edge OR south > edge THEN
        -- Wholly beyond: a sliver on the edge, below the accuracy of any tile.
        clipped := ST_MakeEnvelope(ST_XMin(lonlat), greatest(least(south, edge - 1e-6), -edge),
            ST_XMax(lonlat) + 1e-9, greatest(least(north, edge), -edge + 1e-6), 4326);
        IF dimension = 1 THEN
            clipped := ST_MakeLine(ST_PointN(ST_ExteriorRing(clipped), 1),
                                          ST_PointN(ST_ExteriorRing(clipped), 3));
        END IF;
    ELSE
        clipped := ST_Intersection(ST_MakeValid(lonlat), ST_MakeEnvelope(-1e3, -edge, 1e3, edge, 4326));
        clipped := ST_CollectionExtract(clipped, dimension + 1);
    END IF;
    IF ST_GeometryType(g) LIKE 'ST_Multi%' THEN
        clipped := ST_Multi(clipped);
    ELSIF ST_NumGeometries(clipped) > 1 OR ST_GeometryType(clipped) LIKE 'ST_Multi%' THEN
        -- A column of single geometries cannot hold the pieces: the largest stands for all.
        SELECT part.geom INTO clipped FROM ST_Dump(clipped) AS part
         ORDER BY ST_Area(part.geom) DESC, ST_Length(part.geom) DESC LIMIT 1;
    END IF;
    RETURN ST_Transform(clipped, 3857);
END
$$;

-- The common case is one expression, which PostgreSQL puts in place of the call.
CREATE FUNCTION geoserver.to_3857(g geometry) RETURNS geometry
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN ST_SRID(g) = 3857 THEN g
    WHEN ST_SRID(g) = 4326 AND ST_YMax(g) <= 85.0511 AND ST_YMin(g) >= -85.0511 THEN ST_Transform(g, 3857)
    ELSE geoserver.clip_to_3857(g)
END;

-- The highest feature id ever given in a layer: ids of removed features are not given again.
ALTER TABLE geoserver.layers ADD COLUMN last_fid bigint NOT NULL DEFAULT 0;
