-- Rows go into service before their tiles are prepared, and a table that is emptied at once counts right.

-- ---------------------------------------------------------------------------------------------------------------------
-- TRUNCATE is noted as a mark, not as a number: what was added before it in the same transaction is gone, what is added
-- after it counts from nothing. `number` is the order of the notes; one transaction writes them one after the other.

ALTER TABLE geoserver.edits ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE geoserver.edits ADD COLUMN emptied boolean NOT NULL DEFAULT false;

CREATE OR REPLACE FUNCTION geoserver.note_truncate() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO geoserver.edits (layer, added, emptied, x0, y0, x1, y1)
    VALUES (TG_ARGV[0], 0, true, 0, 0, (1 << 20) - 1, (1 << 20) - 1);
    INSERT INTO geoserver.edited (layer) VALUES (TG_ARGV[0]) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Which part of a layer's tiles is prepared, while that goes on behind its rows; null when all of it is. What is edited
-- meanwhile is kept in geoserver.edits under xid 0, and at the end what was prepared before that is made anew there.

ALTER TABLE geoserver.layers ADD COLUMN preparing real;

CREATE OR REPLACE FUNCTION geoserver.apply_edits() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    one geoserver.layers;
    ranges jsonb;
    mark bigint;
    wide record;
BEGIN
    SELECT max(number) INTO mark FROM geoserver.edits WHERE xid = NEW.xid AND layer = NEW.layer AND emptied;
    SELECT coalesce(sum(added), 0) AS added, max(last_fid) AS last_fid,
           min(x0) FILTER (WHERE x1 >= 0) AS x0, max(x1) AS x1, min(y0) FILTER (WHERE x1 >= 0) AS y0, max(y1) AS y1
      INTO wide FROM geoserver.edits
     WHERE xid = NEW.xid AND layer = NEW.layer AND (mark IS NULL OR number > mark);
    -- This lock lets the editors of a layer through one after the other, so that each sees the rows of the one before.
    UPDATE geoserver.layers SET version = version + 1,
           rows = CASE WHEN mark IS NULL THEN rows ELSE 0 END + wide.added,
           last_fid = greatest(last_fid, wide.last_fid,
                               (SELECT max(e.last_fid) FROM geoserver.edits AS e WHERE e.xid = NEW.xid AND e.layer = NEW.layer))
     WHERE id = NEW.layer RETURNING * INTO one;
    IF NOT FOUND OR (wide.x0 IS NULL AND mark IS NULL) THEN
        DELETE FROM geoserver.edits WHERE xid = NEW.xid AND layer = NEW.layer;
        DELETE FROM geoserver.edited WHERE xid = NEW.xid AND layer = NEW.layer;
        RETURN NULL;
    END IF;
    IF mark IS NOT NULL OR one.rows = 0 THEN  -- a layer without rows lies nowhere
        UPDATE geoserver.layers SET west = NULL, south = NULL, east = NULL, north = NULL WHERE id = one.id;
        one.west := NULL;
    END IF;
    IF wide.x0 IS NOT NULL AND one.rows > 0 THEN
        PERFORM geoserver.widen_bounds(one, wide.x0, wide.y0, wide.x1, wide.y1);
    END IF;

    ranges := geoserver.edited_ranges(one.id, NEW.xid);
    PERFORM geoserver.drop_ready(one.id, ranges);
    PERFORM geoserver.pack_anew(one, NEW.xid);
    PERFORM pg_notify('geoserver_changes', jsonb_build_object('layer', one.id, 'version', one.version,
        'bounds', (SELECT jsonb_build_array(west, south, east, north) FROM geoserver.layers WHERE id = one.id AND west IS NOT NULL),
        'tiles', ranges)::text);
    IF one.preparing IS NULL THEN
        DELETE FROM geoserver.edits WHERE xid = NEW.xid AND layer = NEW.layer;
    ELSE
        UPDATE geoserver.edits SET xid = '0', added = 0 WHERE xid = NEW.xid AND layer = NEW.layer;
    END IF;
    DELETE FROM geoserver.edited WHERE xid = NEW.xid AND layer = NEW.layer;
    RETURN NULL;
END
$$;

-- Where a transaction edited, as [[zoom, x0, y0, x1, y1], ...]: few ranges of small tiles tell it exactly, many are told
-- more roughly.
CREATE FUNCTION geoserver.edited_ranges(layer_id text, by xid8) RETURNS jsonb LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    zoom integer := 20;
    ranges jsonb;
BEGIN
    IF EXISTS (SELECT FROM geoserver.edits WHERE xid = by AND layer = layer_id AND emptied) THEN
        RETURN '[[0, 0, 0, 0, 0]]';
    END IF;
    LOOP
        SELECT jsonb_agg(DISTINCT jsonb_build_array(zoom, x0 >> 20 - zoom, y0 >> 20 - zoom, x1 >> 20 - zoom, y1 >> 20 - zoom))
          INTO ranges FROM geoserver.edits WHERE xid = by AND layer = layer_id AND x1 >= 0;
        EXIT WHEN coalesce(jsonb_array_length(ranges), 0) <= 150 OR zoom = 0;
        zoom := zoom - 2;
    END LOOP;
    RETURN ranges;
END
$$;

-- Ready tiles that touch the ranges, with a tile's buffer, are dropped.
CREATE FUNCTION geoserver.drop_ready(layer_id text, ranges jsonb) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    name text := replace(layer_id, '-', '_') || '__bins';
BEGIN
    IF to_regclass(format('layers.%I', name)) IS NOT NULL THEN
        EXECUTE format(
            'DELETE FROM layers.%I AS b USING (SELECT (r->>0)::integer AS z, (r->>1)::bigint AS x0, (r->>2)::bigint AS y0,'
            ' (r->>3)::bigint AS x1, (r->>4)::bigint AS y1 FROM jsonb_array_elements($1) AS r) AS r'
            ' WHERE (b.x::bigint << 20 - b.z) - ((1 << 20 - b.z) / 64 + 1) <= (r.x1 + 1 << 20 - r.z) - 1'
            '   AND (b.x::bigint + 1 << 20 - b.z) + ((1 << 20 - b.z) / 64 + 1) > r.x0 << 20 - r.z'
            '   AND (b.y::bigint << 20 - b.z) - ((1 << 20 - b.z) / 64 + 1) <= (r.y1 + 1 << 20 - r.z) - 1'
            '   AND (b.y::bigint + 1 << 20 - b.z) + ((1 << 20 - b.z) / 64 + 1) > r.y0 << 20 - r.z', name) USING ranges;
    END IF;
END
$$;

-- Points change few blocks; where one edit spans very many (a table emptied at once), all are packed anew: NULL.
CREATE FUNCTION geoserver.pack_anew(one geoserver.layers, by xid8) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    shift integer := 20 - (one.plan->>'block')::integer;
    blocks bigint[];
BEGIN
    IF one.pack = '' OR NOT EXISTS (SELECT FROM geoserver.edits WHERE xid = by AND layer = one.id AND x1 >= 0) THEN
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM geoserver.edits WHERE xid = by AND layer = one.id
                   AND (x1 - x0 >> shift > 8 OR y1 - y0 >> shift > 8)) THEN
        blocks := ARRAY(
            SELECT DISTINCT (bx::bigint << 32) + by_
              FROM geoserver.edits, generate_series(x0 >> shift, x1 >> shift) AS bx,
                   generate_series(y0 >> shift, y1 >> shift) AS by_
             WHERE xid = by AND layer = one.id AND x1 >= 0);
    END IF;
    EXECUTE one.pack USING blocks;
END
$$;

-- Put what was prepared into service, brought up to date with the edits since it was begun. Locks are taken in the order
-- in which editors take them: the layer's table, and at the end of their transaction its row here.
CREATE FUNCTION geoserver.finish_preparing(layer_id text, plan jsonb, pack text, seconds double precision) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    one geoserver.layers;
    rows_of text := format('layers.%I', replace(layer_id, '-', '_'));
BEGIN
    IF to_regclass(rows_of) IS NOT NULL THEN
        EXECUTE 'LOCK TABLE ' || rows_of || ' IN ACCESS SHARE MODE';
    END IF;
    SELECT * INTO one FROM geoserver.layers WHERE id = layer_id FOR UPDATE;
    IF NOT FOUND OR one.preparing IS NULL THEN
        RETURN;
    END IF;
    one.plan := finish_preparing.plan;
    one.pack := finish_preparing.pack;
    PERFORM geoserver.drop_ready(layer_id, geoserver.edited_ranges(layer_id, '0'));
    PERFORM geoserver.pack_anew(one, '0');
    DELETE FROM geoserver.edits WHERE xid = '0' AND layer = layer_id;
    UPDATE geoserver.layers AS l SET plan = one.plan, pack = one.pack, preparing = NULL,
           prepare_seconds = finish_preparing.seconds, seconds = l.seconds + finish_preparing.seconds
     WHERE l.id = layer_id RETURNING * INTO one;
    PERFORM pg_notify('geoserver_changes', jsonb_build_object('layer', one.id, 'version', one.version,
        'bounds', CASE WHEN one.west IS NOT NULL THEN jsonb_build_array(one.west, one.south, one.east, one.north) END)::text);
END
$$;

-- Tell how far it is. Whoever edits the layer now is not waited for.
CREATE FUNCTION geoserver.tell_preparing(layer_id text, share double precision) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE geoserver.layers AS l SET preparing = share
     WHERE l.id = (SELECT id FROM geoserver.layers WHERE id = layer_id AND preparing IS NOT NULL FOR UPDATE SKIP LOCKED);
    PERFORM pg_notify('geoserver_changes', jsonb_build_object('layer', id, 'version', version, 'bounds', NULL, 'tiles', '[]'::jsonb)::text)
       FROM geoserver.layers WHERE id = layer_id;
END
$$;
