-- What bins and edits in place rest on. Bodies in SQL are parsed here and now, so a restore with an empty search_path
-- works. Triggers run in other people's sessions: `migrate.py` gives their functions the settings of ours.

-- Columns (and, of -y, rows) of the tile matrix that `level` names: 2^level across the square of Web Mercator.
CREATE FUNCTION geoserver.cell(metres double precision, level integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN least(greatest(floor((metres + 20037508.342789244) / 40075016.685578488 * (1 << level)), 0), (1 << level) - 1)::integer;

-- The first zoom at which a shape can be seen, from 0 to 14: an area of a square pixel (512 to a tile), a line of half
-- a pixel's width or height, a point never.
CREATE FUNCTION geoserver.visible_from(mercator geometry) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE ST_Dimension(mercator)
    WHEN 2 THEN least(greatest(ceil(
        ln(40075016.685578488 / 512 / sqrt(greatest(ST_Area(mercator), 1e-6))) / ln(2)), 0), 14)::smallint
    WHEN 1 THEN least(greatest(ceil(
        ln(40075016.685578488 / 1024 / greatest(
            ST_XMax(mercator) - ST_XMin(mercator), ST_YMax(mercator) - ST_YMin(mercator), 1e-3)) / ln(2)), 0), 14)::smallint
    ELSE 14::smallint
END;

-- True size under a small shape of Web Mercator, in metres and square metres: its scale at the shape's middle on WGS 84.
CREATE FUNCTION geoserver.true_area(mercator geometry) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ST_Area(mercator) * (1 - 0.00669437999014)
    / (cosh((ST_YMin(mercator) + ST_YMax(mercator)) / 2 / 6378137)
       * (1 - 0.00669437999014 * tanh((ST_YMin(mercator) + ST_YMax(mercator)) / 2 / 6378137) ^ 2)) ^ 2;

CREATE FUNCTION geoserver.true_length(mercator geometry) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ST_Length(ST_Transform(mercator, 4326)::geography);

-- Values of each layer's main choice field, by the code that packed points carry. Codes below 12 have a count in bins;
-- code -1 stands for no value, -2 for values beyond those listed here.
CREATE TABLE geoserver.facets (
    layer text NOT NULL,
    code  smallint NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (layer, code),
    UNIQUE (layer, value)
);

-- How a layer's points are packed for quick counting; see geoserver/tiling/packing.py.
ALTER TABLE geoserver.layers ADD COLUMN pack text NOT NULL DEFAULT '';
ALTER TABLE geoserver.layers ADD COLUMN prepare_seconds double precision NOT NULL DEFAULT 0;  -- a part of `seconds`

-- ---------------------------------------------------------------------------------------------------------------------
-- Edits in place. Each statement on a layer's table notes where rows changed; at the end of the transaction what was
-- computed from them is brought up to date, once per layer, and everyone is told.

CREATE TABLE geoserver.edits (
    layer text NOT NULL,
    xid   xid8 NOT NULL DEFAULT pg_current_xact_id(),
    added bigint NOT NULL,
    last_fid bigint,
    x0 integer NOT NULL, y0 integer NOT NULL, x1 integer NOT NULL, y1 integer NOT NULL  -- tiles of zoom 20
);
CREATE INDEX edits_xid ON geoserver.edits (xid, layer);

CREATE TABLE geoserver.edited (
    layer text NOT NULL,
    xid   xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (layer, xid)
);

CREATE FUNCTION geoserver.note_ranges(layer_id text, added bigint, last_fid bigint, boxes geometry[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO geoserver.edits (layer, added, last_fid, x0, y0, x1, y1)
    SELECT DISTINCT layer_id, 0, NULL::bigint,
           geoserver.cell(ST_XMin(g), 20), geoserver.cell(-ST_YMax(g), 20),
           geoserver.cell(ST_XMax(g), 20), geoserver.cell(-ST_YMin(g), 20)
      FROM unnest(boxes) AS g WHERE g IS NOT NULL AND NOT ST_IsEmpty(g);
    INSERT INTO geoserver.edits (layer, added, last_fid, x0, y0, x1, y1) VALUES (layer_id, added, last_fid, 0, 0, -1, -1);
    INSERT INTO geoserver.edited (layer) VALUES (layer_id) ON CONFLICT DO NOTHING;
END
$$;

CREATE FUNCTION geoserver.note_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM geoserver.note_ranges(TG_ARGV[0], count(*), max(fid), array_agg(ST_Envelope(geom_3857))) FROM new_rows
     HAVING count(*) > 0;
    RETURN NULL;
END
$$;

CREATE FUNCTION geoserver.note_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM geoserver.note_ranges(TG_ARGV[0], -count(*), NULL, array_agg(ST_Envelope(geom_3857))) FROM old_rows
     HAVING count(*) > 0;
    RETURN NULL;
END
$$;

CREATE FUNCTION geoserver.note_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM geoserver.note_ranges(TG_ARGV[0], 0, max(fid), array_agg(ST_Envelope(geom_3857)))
       FROM (SELECT fid, geom_3857 FROM old_rows UNION ALL SELECT fid, geom_3857 FROM new_rows) AS both_of_them
     HAVING count(*) > 0;
    RETURN NULL;
END
$$;

CREATE FUNCTION geoserver.note_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM geoserver.note_ranges(TG_ARGV[0], -rows, NULL, ARRAY[ST_Transform(
                ST_MakeEnvelope(CASE WHEN west <= east THEN west ELSE -180 END, greatest(south, -85.05),
                                       CASE WHEN west <= east THEN east ELSE 180 END, least(north, 85.05), 4326), 3857)])
       FROM geoserver.layers WHERE id = TG_ARGV[0] AND west IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE FUNCTION geoserver.apply_edits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    one geoserver.layers;
    zoom integer := 20;
    ranges jsonb;
    wide record;
    blocks bigint[];
BEGIN
    SELECT coalesce(sum(added), 0) AS added, max(last_fid) AS last_fid,
           min(x0) FILTER (WHERE x1 >= 0) AS x0, max(x1) AS x1, min(y0) FILTER (WHERE x1 >= 0) AS y0, max(y1) AS y1
      INTO wide FROM geoserver.edits WHERE xid = NEW.xid AND layer = NEW.layer;
    -- This lock lets the editors of a layer through one after the other, so that each sees the rows of the one before.
    UPDATE geoserver.layers SET version = version + 1, rows = rows + wide.added,
           last_fid = greatest(last_fid, wide.last_fid)
     WHERE id = NEW.layer RETURNING * INTO one;
    IF NOT FOUND OR wide.x0 IS NULL THEN
        DELETE FROM geoserver.edits WHERE xid = NEW.xid AND layer = NEW.layer;
        DELETE FROM geoserver.edited WHERE xid = NEW.xid AND layer = NEW.layer;
        RETURN NULL;
    END IF;
    PERFORM geoserver.widen_bounds(one, wide.x0, wide.y0, wide.x1, wide.y1);

    -- Few ranges of small tiles tell exactly what changed; many are told more roughly.
    LOOP
        SELECT jsonb_agg(DISTINCT jsonb_build_array(zoom, x0 >> 20 - zoom, y0 >> 20 - zoom, x1 >> 20 - zoom, y1 >> 20 - zoom))
          INTO ranges FROM geoserver.edits WHERE xid = NEW.xid AND layer = NEW.layer AND x1 >= 0;
        EXIT WHEN jsonb_array_length(ranges) <= 150 OR zoom = 0;
        zoom := zoom - 2;
    END LOOP;

    IF to_regclass(format('layers.%I', replace(one.id, '-', '_') || '__bins')) IS NOT NULL THEN
        EXECUTE format(
            'DELETE FROM layers.%I AS b USING jsonb_array_elements($1) AS r'
            ' WHERE (b.x::bigint << 20 - b.z) - ((1 << 20 - b.z) / 64 + 1) <= ((r->>3)::bigint + 1 << 20 - $2) - 1'
            '   AND (b.x::bigint + 1 << 20 - b.z) + ((1 << 20 - b.z) / 64 + 1) > (r->>1)::bigint << 20 - $2'
            '   AND (b.y::bigint << 20 - b.z) - ((1 << 20 - b.z) / 64 + 1) <= ((r->>4)::bigint + 1 << 20 - $2) - 1'
            '   AND (b.y::bigint + 1 << 20 - b.z) + ((1 << 20 - b.z) / 64 + 1) > (r->>2)::bigint << 20 - $2',
            replace(one.id, '-', '_') || '__bins') USING ranges, zoom;
    END IF;
    IF one.pack <> '' THEN
        -- Points change few blocks; where one spans very many (a table emptied at once), all are packed anew: NULL.
        IF NOT EXISTS (SELECT FROM geoserver.edits WHERE xid = NEW.xid AND layer = NEW.layer
                       AND (x1 - x0 >> 20 - (one.plan->>'block')::integer > 8
                            OR y1 - y0 >> 20 - (one.plan->>'block')::integer > 8)) THEN
            blocks := ARRAY(
                SELECT DISTINCT (bx::bigint << 32) + by
                  FROM geoserver.edits, (SELECT 20 - (one.plan->>'block')::integer) AS s (shift),
                       generate_series(x0 >> shift, x1 >> shift) AS bx, generate_series(y0 >> shift, y1 >> shift) AS by
                 WHERE xid = NEW.xid AND layer = NEW.layer AND x1 >= 0);
        END IF;
        EXECUTE one.pack USING blocks;
    END IF;

    PERFORM pg_notify('geoserver_changes', jsonb_build_object('layer', one.id, 'version', one.version,
        'bounds', (SELECT jsonb_build_array(west, south, east, north) FROM geoserver.layers WHERE id = one.id AND west IS NOT NULL),
        'tiles', ranges)::text);
    DELETE FROM geoserver.edits WHERE xid = NEW.xid AND layer = NEW.layer;
    DELETE FROM geoserver.edited WHERE xid = NEW.xid AND layer = NEW.layer;
    RETURN NULL;
END
$$;

-- A layer's bounds only grow with edits, and by whole tiles of zoom 20 (38 m); the next load makes them exact again.
CREATE FUNCTION geoserver.widen_bounds(one geoserver.layers, x0 integer, y0 integer, x1 integer, y1 integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    side CONSTANT double precision := 1 << 20;
    w double precision := x0 / side * 360 - 180;
    e double precision := (x1 + 1) / side * 360 - 180;
    n double precision := degrees(atan(sinh(pi() * (1 - 2 * y0 / side))));
    s double precision := degrees(atan(sinh(pi() * (1 - 2 * (y1 + 1) / side))));
BEGIN
    IF one.west IS NULL THEN
        UPDATE geoserver.layers SET west = w, south = s, east = e, north = n WHERE id = one.id;
    ELSIF s < one.south OR n > one.north OR (one.west <= one.east AND (w < one.west OR e > one.east))
          OR (one.west > one.east AND w < one.west AND e > one.east) THEN
        UPDATE geoserver.layers SET
               south = least(south, s), north = greatest(north, n),
               west = CASE WHEN west <= east THEN least(west, w) WHEN w < west AND e > east THEN -180 ELSE west END,
               east = CASE WHEN west <= east THEN greatest(east, e) WHEN w < west AND e > east THEN 180 ELSE east END
         WHERE id = one.id;
    END IF;
END
$$;

CREATE CONSTRAINT TRIGGER apply_edits AFTER INSERT ON geoserver.edited
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION geoserver.apply_edits();

-- The triggers that a layer's table carries; called when the table is complete.
CREATE FUNCTION geoserver.follow_edits(place regclass, layer_id text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER note_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows'
        ' FOR EACH STATEMENT EXECUTE FUNCTION geoserver.note_insert(%L)', place, layer_id);
    EXECUTE format('CREATE TRIGGER note_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows'
        ' FOR EACH STATEMENT EXECUTE FUNCTION geoserver.note_delete(%L)', place, layer_id);
    EXECUTE format('CREATE TRIGGER note_update AFTER UPDATE ON %s REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'
        ' FOR EACH STATEMENT EXECUTE FUNCTION geoserver.note_update(%L)', place, layer_id);
    EXECUTE format('CREATE TRIGGER note_truncate AFTER TRUNCATE ON %s'
        ' FOR EACH STATEMENT EXECUTE FUNCTION geoserver.note_truncate(%L)', place, layer_id);
END
$$;
