-- Web Mercator for every stored geometry: never null, never infinite, whatever lies near a pole.
-- Bodies are parsed here and now, so a restore with an empty search_path finds the same functions.

CREATE FUNCTION geoserver.clip_to_3857(g geometry) RETURNS geometry
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    edge CONSTANT double precision := 85.0511287798066;  -- where the square of Web Mercator ends
    lonlat public.geometry := CASE WHEN public.ST_SRID(g) = 4326 THEN g ELSE public.ST_Transform(g, 4326) END;
    dimension integer := public.ST_Dimension(g);
    clipped public.geometry;
    south double precision := public.ST_YMin(lonlat);
    north double precision := public.ST_YMax(lonlat);
BEGIN
    IF public.ST_IsEmpty(g) THEN
        RETURN public.ST_SetSRID(g, 3857);
    ELSIF south >= -edge AND north <= edge THEN
        RETURN public.ST_Transform(g, 3857);
    ELSIF dimension = 0 THEN
        -- Points go to the edge of the square, so that none is lost from a tile.
        SELECT public.ST_Collect(public.ST_SetSRID(public.ST_MakePoint(
                   public.ST_X(part.geom), greatest(least(public.ST_Y(part.geom), edge), -edge)), 4326))
          INTO clipped FROM public.ST_Dump(lonlat) AS part;
    ELSIF north < -edge OR south > edge THEN
        -- Wholly beyond: a sliver on the edge, below the accuracy of any tile.
        clipped := public.ST_MakeEnvelope(public.ST_XMin(lonlat), greatest(least(south, edge - 1e-6), -edge),
            public.ST_XMax(lonlat) + 1e-9, greatest(least(north, edge), -edge + 1e-6), 4326);
        IF dimension = 1 THEN
            clipped := public.ST_MakeLine(public.ST_PointN(public.ST_ExteriorRing(clipped), 1),
                                          public.ST_PointN(public.ST_ExteriorRing(clipped), 3));
        END IF;
    ELSE
        clipped := public.ST_Intersection(public.ST_MakeValid(lonlat), public.ST_MakeEnvelope(-1e3, -edge, 1e3, edge, 4326));
        clipped := public.ST_CollectionExtract(clipped, dimension + 1);
    END IF;
    IF public.ST_GeometryType(g) LIKE 'ST_Multi%' THEN
        clipped := public.ST_Multi(clipped);
    ELSIF public.ST_NumGeometries(clipped) > 1 OR public.ST_GeometryType(clipped) LIKE 'ST_Multi%' THEN
        -- A column of single geometries cannot hold the pieces: the largest stands for all.
        SELECT part.geom INTO clipped FROM public.ST_Dump(clipped) AS part
         ORDER BY public.ST_Area(part.geom) DESC, public.ST_Length(part.geom) DESC LIMIT 1;
    END IF;
    RETURN public.ST_Transform(clipped, 3857);
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
