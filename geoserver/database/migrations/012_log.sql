-- Edits are a log, not a rebuild. Each statement on a layer's table notes what it changed, and waits for no other editor;
-- counts, bounds, versions and bins are read together with the notes. One worker at a time tells everyone of new notes and
-- now and then works them into what was computed from the rows (`fold_edits`).

DROP FUNCTION geoserver.note_insert() CASCADE;  -- and the triggers on the layers' tables
DROP FUNCTION geoserver.note_update() CASCADE;
DROP FUNCTION geoserver.note_delete() CASCADE;
DROP FUNCTION geoserver.note_truncate() CASCADE;
DROP TABLE geoserver.edited, geoserver.edits;
DROP FUNCTION geoserver.apply_edits(), geoserver.note_ranges(text, bigint, bigint, geometry[]),
    geoserver.edited_ranges(text, xid8), geoserver.pack_anew(geoserver.layers, xid8),
    geoserver.widen_bounds(geoserver.layers, integer, integer, integer, integer),
    geoserver.finish_preparing(text, jsonb, text, double precision), geoserver.follow_edits(regclass, text),
    geoserver.drop_ready(text, jsonb);

-- ---------------------------------------------------------------------------------------------------------------------
-- The notes, one for each statement: rows added (less those removed), the highest id, and the tiles in which shapes
-- changed: [[zoom, x0, y0, x1, y1], ...], all of them within x0 to x1 and y0 to y1 of zoom 20.
CREATE TABLE geoserver.edits (
    layer text NOT NULL,
    xid   xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at    timestamptz NOT NULL DEFAULT now(),
    added bigint NOT NULL,
    last_fid bigint,
    tiles jsonb NOT NULL,
    x0 integer, y0 integer, x1 integer, y1 integer
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
CREATE INDEX edits_layer ON geoserver.edits (layer);

ALTER TABLE geoserver.layers ADD edited_at timestamptz;  -- when rows were last edited, of what is folded

-- Bounds in degrees, grown by tiles of zoom 20 (38 m); a layer that lay nowhere lies in these.
CREATE FUNCTION geoserver.widen(
    INOUT west double precision, INOUT south double precision, INOUT east double precision, INOUT north double precision,
    x0 integer, y0 integer, x1 integer, y1 integer
) LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    side CONSTANT double precision := 1 << 20;
    w double precision := x0 / side * 360 - 180;
    e double precision := (x1 + 1) / side * 360 - 180;
    n double precision := degrees(atan(sinh(pi() * (1 - 2 * y0 / side))));
    s double precision := degrees(atan(sinh(pi() * (1 - 2 * (y1 + 1) / side))));
BEGIN
    IF x0 IS NULL THEN
        RETURN;
    ELSIF west IS NULL THEN
        west := w; south := s; east := e; north := n;
        RETURN;
    END IF;
    south := least(south, s);
    north := greatest(north, n);
    IF west <= east THEN
        west := least(west, w);
        east := greatest(east, e);
    ELSIF w < west AND e > east THEN  -- it crosses the antimeridian
        west := -180;
        east := 180;
    END IF;
END
$$;

-- The same ranges, or fewer and larger ones: some 150 tell it well enough.
CREATE FUNCTION geoserver.few_tiles(tiles jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    zoom integer := 20;
    found jsonb := tiles;
BEGIN
    WHILE jsonb_array_length(found) > 150 AND zoom > 0 LOOP
        zoom := zoom - 2;
        SELECT jsonb_agg(DISTINCT jsonb_build_array(
                   least(z, zoom), x0 >> greatest(z - zoom, 0), y0 >> greatest(z - zoom, 0),
                   x1 >> greatest(z - zoom, 0), y1 >> greatest(z - zoom, 0)))
          INTO found
          FROM jsonb_array_elements(tiles) AS r,
               LATERAL (SELECT (r->>0)::integer, (r->>1)::integer, (r->>2)::integer, (r->>3)::integer, (r->>4)::integer)
                    AS n (z, x0, y0, x1, y1);
    END LOOP;
    RETURN found;
END
$$;

-- Layers as they are now, with what is noted.
CREATE VIEW geoserver.states AS
SELECT l.id, l.version + noted.notes AS version, l.rows + noted.added AS rows, greatest(l.last_fid, noted.last_fid) AS last_fid,
       greatest(l.edited_at, noted.at) AS edited_at,
       (CASE WHEN l.rows + noted.added > 0 THEN bounds.west END) AS west, bounds.south, bounds.east, bounds.north
  FROM geoserver.layers AS l,
       LATERAL (SELECT count(*) AS notes, coalesce(sum(added), 0)::bigint AS added, max(last_fid) AS last_fid,
                       max(at) AS at, min(x0) AS x0, min(y0) AS y0, max(x1) AS x1, max(y1) AS y1
                  FROM geoserver.edits WHERE layer = l.id) AS noted,
       LATERAL geoserver.widen(l.west, l.south, l.east, l.north, noted.x0, noted.y0, noted.x1, noted.y1) AS bounds;

-- ---------------------------------------------------------------------------------------------------------------------
-- What triggers do. They run as their owner, with our settings: whoever edits needs rights on the layer's table alone.

-- Of very many shapes coarser tiles are noted: an array of all of them might be larger than one can be.
CREATE FUNCTION geoserver.note(layer_id text, added bigint, last_fid bigint, shapes geometry[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    coarser CONSTANT integer := CASE WHEN cardinality(shapes) > 16384 THEN 2 * ceil(log(4, cardinality(shapes) / 16384.0)) ELSE 0 END;
BEGIN
    WITH places AS (
        SELECT min(x0) AS x0, min(y0) AS y0, max(x1) AS x1, max(y1) AS y1
          FROM (SELECT geoserver.cell(ST_XMin(g), 20) AS x0, geoserver.cell(-ST_YMax(g), 20) AS y0,
                       geoserver.cell(ST_XMax(g), 20) AS x1, geoserver.cell(-ST_YMin(g), 20) AS y1
                  FROM unnest(shapes) AS g WHERE NOT ST_IsEmpty(g) OFFSET 0) AS each_of_them
         GROUP BY x0 >> coarser, y0 >> coarser, x1 >> coarser, y1 >> coarser
    )
    INSERT INTO geoserver.edits (layer, added, last_fid, tiles, x0, y0, x1, y1)
    SELECT layer_id, note.added, note.last_fid,
           geoserver.few_tiles(coalesce(jsonb_agg(jsonb_build_array(
               20 - coarser, x0 >> coarser, y0 >> coarser, x1 >> coarser, y1 >> coarser)), '[]')),
           min(x0), min(y0), max(x1), max(y1)
      FROM places;
END
$$;

-- Ids that are given by hand are not given again. Where few lie between they are taken one by one, for whoever sets a
-- sequence may set it back while others take ids of it; it is set where many do, by one editor at a time.
CREATE FUNCTION geoserver.skip_ids(ids regclass, last bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    query CONSTANT text := format('SELECT last_value - (NOT is_called)::integer FROM %s', ids);
    turn CONSTANT bigint := hashtextextended('geoserver.ids:' || ids, 0);
    reached bigint;
BEGIN
    EXECUTE query INTO reached;
    IF last - 1000 > reached THEN
        PERFORM pg_advisory_lock(turn);
        EXECUTE query INTO reached;
        IF last > reached THEN
            PERFORM setval(ids, last);
        END IF;
        PERFORM pg_advisory_unlock(turn);
        RETURN;
    END IF;
    WHILE reached < last LOOP
        reached := nextval(ids);
    END LOOP;
END
$$;

-- A table that is emptied at once: nobody else has edits under way, so that its notes can be worked in, and end here.
CREATE FUNCTION geoserver.note_emptied() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    name text;
    ended record;
BEGIN
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        -- It takes away rows, and has to take away notes, that such a transaction does not see.
        RAISE EXCEPTION 'a layer''s table cannot be truncated in a transaction that is %', upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'feature_not_supported', HINT = 'Delete its rows, or truncate it in a transaction that is READ COMMITTED.';
    END IF;
    WITH gone AS (DELETE FROM geoserver.edits AS e WHERE e.layer = TG_ARGV[0] RETURNING e.last_fid)
    SELECT count(*) AS many, max(gone.last_fid) AS last_fid INTO ended FROM gone;
    UPDATE geoserver.layers SET version = version + ended.many, rows = 0, last_fid = greatest(last_fid, ended.last_fid),
           west = NULL, south = NULL, east = NULL, north = NULL
     WHERE id = TG_ARGV[0];
    FOREACH name IN ARRAY ARRAY['__packed', '__delta', '__bins'] LOOP
        name := replace(TG_ARGV[0], '-', '_') || name;
        IF to_regclass(format('layers.%I', name)) IS NOT NULL THEN
            EXECUTE format('DELETE FROM layers.%I', name);
        END IF;
    END LOOP;
    INSERT INTO geoserver.edits (layer, added, tiles) VALUES (TG_ARGV[0], 0, '[[0, 0, 0, 0, 0]]');
    RETURN NULL;
END
$$;

CREATE FUNCTION geoserver.go_past(place oid, fid bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ids regclass := pg_get_serial_sequence(place::regclass::text, 'fid');
BEGIN
    IF fid > coalesce(pg_sequence_last_value(ids), 0) THEN
        PERFORM geoserver.skip_ids(ids, fid);
    END IF;
END
$$;

-- Some programs write NULL where they know no id, which an identity column takes for a value.
CREATE FUNCTION geoserver.give_id() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    NEW.fid := nextval(pg_get_serial_sequence(TG_RELID::regclass::text, 'fid'));
    RETURN NEW;
END
$$;

-- Who was granted rights on the table before has them on the one that takes its place.
CREATE FUNCTION geoserver.keep_rights(before regclass, place regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    given record;
BEGIN
    FOR given IN SELECT privilege_type, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS who,
                        CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS more
                   FROM pg_class, aclexplode(relacl) WHERE oid = before AND grantee <> relowner LOOP
        EXECUTE format('GRANT %s ON %s TO %s%s', given.privilege_type, place, given.who, given.more);
    END LOOP;
END
$$;

-- QGIS lets nobody leave an id empty, unless it finds a sequence of this name.
CREATE FUNCTION geoserver.name_sequence(place regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := (SELECT relname || '_fid_seq' FROM pg_class WHERE oid = place);
    sequence text := pg_get_serial_sequence(place::text, 'fid');
BEGIN
    IF sequence IS NOT NULL AND to_regclass(format('layers.%I', name)) IS NULL THEN  -- a layer may be called so
        EXECUTE format('ALTER SEQUENCE %s RENAME TO %I', sequence, name);
    END IF;
END
$$;

-- The triggers that a layer's table carries, and their function, which is made for it; called when the table is complete,
-- and again when points are to be packed: with how ({"level", "facet", "time", "point"}) each edit notes them, too.
CREATE FUNCTION geoserver.follow_edits(place regclass, layer_id text, packing jsonb DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    own text := (SELECT relname FROM pg_class WHERE oid = place);
    function text := format('layers.%I', regexp_replace(own, '(__staging)?$', '__note\1'));
    sequence text := pg_get_serial_sequence(place::text, 'fid');
    anchor text := CASE WHEN (packing->>'point')::boolean THEN 'geom_3857' ELSE 'ST_Centroid(geom_3857)' END;
    points text := format(
        'geoserver.cell(ST_X(%1$s), %2$s) AS x, geoserver.cell(-ST_Y(%1$s), %2$s) AS y, %3$s AS value, %4$s AS t',
        anchor, packing->>'level',
        coalesce(quote_ident(nullif(packing->>'facet', '')) || '::text', 'NULL::text'),
        coalesce(quote_ident(nullif(packing->>'time', '')), 'NULL::timestamptz'));
    past text := CASE WHEN sequence IS NULL THEN '' ELSE ' PERFORM geoserver.go_past(TG_RELID, max(fid)) FROM %s HAVING count(*) > 0;' END;
    delta text := CASE WHEN packing IS NULL THEN '' ELSE
        format('INSERT INTO layers.%I (n, x, y, value, t) ', replace(layer_id, '-', '_') || '__delta') END;
    placed text := ' FROM %s WHERE NOT ST_IsEmpty(geom_3857)';
    settings text := (SELECT string_agg(format(' SET %I FROM CURRENT', name), '')
                        FROM unnest(ARRAY['search_path', 'DateStyle', 'IntervalStyle', 'TimeZone', 'extra_float_digits',
                                          'bytea_output', 'standard_conforming_strings']) AS name);
BEGIN
    EXECUTE 'CREATE OR REPLACE FUNCTION ' || function || '() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER' || settings
        || ' AS ' || quote_literal(
        'BEGIN IF TG_OP = ''INSERT'' THEN'
        || format(' PERFORM geoserver.note(%L, count(*), max(fid), array_agg(ST_Envelope(geom_3857)))'
                  ' FROM new_rows HAVING count(*) > 0;', layer_id)
        || format(' PERFORM geoserver.note_arrivals(%L, array_agg(fid))'
                  ' FROM (SELECT fid FROM new_rows ORDER BY fid DESC LIMIT 1000) AS newest HAVING count(*) > 0;', layer_id)
        || format(past, 'new_rows')
        || CASE WHEN delta = '' THEN '' ELSE delta || 'SELECT 1, ' || points || format(placed, 'new_rows') || ';' END
        || ' ELSIF TG_OP = ''DELETE'' THEN'
        || format(' PERFORM geoserver.note(%L, -count(*), NULL, array_agg(ST_Envelope(geom_3857)))'
                  ' FROM old_rows HAVING count(*) > 0;', layer_id)
        || CASE WHEN delta = '' THEN '' ELSE delta || 'SELECT -1, ' || points || format(placed, 'old_rows') || ';' END
        || ' ELSE'
        || format(' PERFORM geoserver.note(%L, 0, max(fid), array_agg(ST_Envelope(geom_3857))) FROM ('
                  'SELECT coalesce(n.fid, o.fid) AS fid, unnest(ARRAY[o.geom_3857, n.geom_3857]) AS geom_3857'
                  ' FROM old_rows AS o FULL JOIN new_rows AS n USING (fid)'
                  ' WHERE o.geom IS NULL OR n.geom IS NULL OR o *<> n) AS changed HAVING count(*) > 0;', layer_id)
        || format(past, '(SELECT fid FROM new_rows EXCEPT SELECT fid FROM old_rows) AS given')
        || CASE WHEN delta = '' THEN '' ELSE delta || 'SELECT sum(n), x, y, value, t FROM ('
               || 'SELECT -1 AS n, ' || points || format(placed, 'old_rows')
               || ' UNION ALL SELECT 1, ' || points || format(placed, 'new_rows')
               || ') AS both_of_them GROUP BY x, y, value, t HAVING sum(n) <> 0;' END
        || ' END IF; RETURN NULL; END');
    -- Called by a table of somebody else's, it would note what that says, and run what is behind its types as our owner.
    EXECUTE 'REVOKE ALL ON FUNCTION ' || function || '() FROM PUBLIC';
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = place AND tgname = 'note_insert') THEN
        EXECUTE format('CREATE TRIGGER note_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS new_rows'
            ' FOR EACH STATEMENT EXECUTE FUNCTION %s()', place, function);
        EXECUTE format('CREATE TRIGGER note_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows'
            ' FOR EACH STATEMENT EXECUTE FUNCTION %s()', place, function);
        EXECUTE format('CREATE TRIGGER note_update AFTER UPDATE ON %s REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows'
            ' FOR EACH STATEMENT EXECUTE FUNCTION %s()', place, function);
        EXECUTE format('CREATE TRIGGER note_emptied AFTER TRUNCATE ON %s'
            ' FOR EACH STATEMENT EXECUTE FUNCTION geoserver.note_emptied(%L)', place, layer_id);
        EXECUTE (SELECT format('ALTER TABLE %s ', place) || string_agg('ENABLE ALWAYS TRIGGER ' || name, ', ')  -- what a replication role writes counts, too
                   FROM unnest(ARRAY['note_insert', 'note_delete', 'note_update', 'note_emptied']) AS name);
        -- As loads have it, whose rows are not read again for it: what no tile, JSON or browser can say is refused.
        EXECUTE format('ALTER TABLE %1$s DROP CONSTRAINT IF EXISTS %2$I, DROP CONSTRAINT IF EXISTS %3$I,'
            ' ADD CONSTRAINT %2$I CHECK (NOT ST_IsEmpty(geom)'
            ' AND abs(ST_XMin(geom)) < ''Infinity'' AND abs(ST_XMax(geom)) < ''Infinity'''
            ' AND abs(ST_YMin(geom)) < ''Infinity'' AND abs(ST_YMax(geom)) < ''Infinity'') NOT VALID,'
            ' ADD CONSTRAINT %3$I CHECK (fid BETWEEN 1 AND (1::bigint << 53) - 1) NOT VALID',
            place, 'geom has finite coordinates', 'fid is a whole number from 1 to 2^53 - 1');
        IF sequence IS NOT NULL THEN  -- named so as to come before `key_insert`, which may need the id
            EXECUTE format('CREATE TRIGGER fid_insert BEFORE INSERT ON %s FOR EACH ROW WHEN (NEW.fid IS NULL)'
                ' EXECUTE FUNCTION geoserver.give_id()', place);
        END IF;
    END IF;
END
$$;

-- Rows of a layer with keys that come without one get it: the text of the key's field (NULL where the key is none), as a load
-- makes it, else of their id; and it follows that field. It runs as who edits, and every name in it says its schema.
CREATE FUNCTION geoserver.keep_keys(place regclass, field text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    own text := (SELECT relname FROM pg_class WHERE oid = place);
    function text := format('layers.%I', regexp_replace(own, '(__staging)?$', '__key\1'));
    kind text := (SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = place AND attname = field);
    blanks text := quote_literal(E' \t\n\u000B\f\r\u0085\u00A0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008'
                                  '\u2009\u200A\u2028\u2029\u202F\u205F\u3000');
    made text := CASE WHEN kind IS NULL THEN 'NULL::pg_catalog.text' WHEN kind IN ('text', 'character varying') THEN
        format('pg_catalog.btrim(NEW.%I, %s)', field, blanks) ELSE format('NEW.%I::pg_catalog.text', field) END;
    moved text := CASE WHEN kind IS NULL THEN '' ELSE
        format(' OR OLD.%1$I IS DISTINCT FROM NEW.%1$I AND OLD.source_key = NEW.source_key', field) END;
BEGIN
    EXECUTE 'CREATE OR REPLACE FUNCTION ' || function || '() RETURNS trigger LANGUAGE plpgsql'
        || CASE WHEN kind IN ('text', 'character varying', 'bigint', 'integer', 'smallint') THEN '' ELSE  -- which costs time
               ' SET "DateStyle" FROM CURRENT SET "TimeZone" FROM CURRENT SET extra_float_digits FROM CURRENT' END
        || ' AS ' || quote_literal('DECLARE made pg_catalog.text := ' || made || '; BEGIN'
            ' NEW.source_key := CASE WHEN pg_catalog.length(made) OPERATOR(pg_catalog.>) 0 THEN made'
            ' ELSE pg_catalog.concat(''fid:'', NEW.fid) END; RETURN NEW; END');
    EXECUTE format('ALTER TABLE %s ALTER source_key DROP NOT NULL', place);  -- which programs take for a field to be filled in
    EXECUTE format('CREATE TRIGGER key_insert BEFORE INSERT ON %s FOR EACH ROW WHEN (NEW.source_key IS NULL)'
        ' EXECUTE FUNCTION %s()', place, function);
    EXECUTE format('CREATE TRIGGER key_update BEFORE UPDATE ON %s FOR EACH ROW WHEN (NEW.source_key IS NULL' || moved || ')'
        ' EXECUTE FUNCTION %s()', place, function);
END
$$;

-- Points that were added (n > 0) or removed since points were packed, by their cell of the plan's level.
CREATE FUNCTION geoserver.make_delta(name text, time_type text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DROP TABLE IF EXISTS layers.%I', name);
    EXECUTE format('CREATE TABLE layers.%I (n integer NOT NULL, x integer NOT NULL, y integer NOT NULL, value text, t %s)'
        ' WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)', name, time_type);
END
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- What the worker does.

-- Tell everyone of the notes that were not to be seen in `known` (NULL: of all), and say what is to be seen now. Notes of a
-- transaction that is yet to come are of another cluster, of which this one is a restored backup: that is told once, at first.
-- It runs as its owner, which says nothing that whoever listens does not hear.
CREATE FUNCTION geoserver.tell_edits(known pg_snapshot) RETURNS pg_snapshot
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    seen pg_snapshot := pg_current_snapshot();
BEGIN
    IF known IS NULL THEN
        UPDATE geoserver.edits SET xid = '3' WHERE xid >= pg_snapshot_xmax(seen);  -- long over
    END IF;
    PERFORM pg_notify('geoserver_changes', jsonb_build_object('layer', s.id, 'version', s.version,
               'bounds', CASE WHEN s.west IS NOT NULL THEN jsonb_build_array(s.west, s.south, s.east, s.north) END,
               'edited', s.edited_at, 'steps', e.notes, 'tiles', geoserver.few_tiles(e.tiles))::text)
       FROM geoserver.states AS s
       JOIN (SELECT layer, count(DISTINCT n.ctid) AS notes, coalesce(jsonb_agg(DISTINCT tile) FILTER (WHERE tile IS NOT NULL), '[]') AS tiles
               FROM geoserver.edits AS n LEFT JOIN LATERAL jsonb_array_elements(n.tiles) AS tile ON TRUE
              WHERE known IS NULL OR NOT pg_visible_in_snapshot(xid, known) AND xid < pg_snapshot_xmax(pg_current_snapshot())
              GROUP BY layer) AS e ON e.layer = s.id;
    RETURN seen;
END
$$;

-- Tell everyone that a layer is in another state, and in which tiles that can be seen (NULL: anywhere).
CREATE FUNCTION geoserver.tell_state(layer_id text, tiles jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('geoserver_changes', jsonb_build_object('layer', id, 'version', version, 'tiles', tell_state.tiles,
               'bounds', CASE WHEN west IS NOT NULL THEN jsonb_build_array(west, south, east, north) END)::text)
       FROM geoserver.states WHERE id = layer_id;
END
$$;

-- Ready tiles that touch the ranges, with a tile's buffer, are emptied, to be made anew.
CREATE FUNCTION geoserver.drop_ready(layer_id text, tiles jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := replace(layer_id, '-', '_') || '__bins';
BEGIN
    IF to_regclass(format('layers.%I', name)) IS NOT NULL THEN
        EXECUTE format(
            'UPDATE layers.%I AS b SET tile = NULL FROM (SELECT DISTINCT (r->>0)::integer AS z, (r->>1)::bigint AS x0,'
            ' (r->>2)::bigint AS y0, (r->>3)::bigint AS x1, (r->>4)::bigint AS y1 FROM jsonb_array_elements($1) AS r) AS r'
            ' WHERE b.tile IS NOT NULL AND geoserver.is_touched(b.z, b.x, b.y, r.z, r.x0, r.y0, r.x1, r.y1)', name) USING tiles;
    END IF;
END
$$;

-- Whether a tile, with its buffer, touches a range of tiles.
CREATE FUNCTION geoserver.is_touched(z integer, x integer, y integer, zoom integer, x0 bigint, y0 bigint, x1 bigint, y1 bigint)
RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (x::bigint << 20 - z) - ((1 << 20 - z) / 64 + 1) <= (x1 + 1 << 20 - zoom) - 1
   AND (x::bigint + 1 << 20 - z) + ((1 << 20 - z) / 64 + 1) > x0 << 20 - zoom
   AND (y::bigint << 20 - z) - ((1 << 20 - z) / 64 + 1) <= (y1 + 1 << 20 - zoom) - 1
   AND (y::bigint + 1 << 20 - z) + ((1 << 20 - z) / 64 + 1) > y0 << 20 - zoom;

-- Work what is noted of points into the packed arrays that it touches; new values get codes. Equal points are one as good
-- as another: those that were added and removed are summed up.
CREATE FUNCTION geoserver.pack_edits(layer_id text, plan jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := replace(layer_id, '-', '_');
    inner_bits integer := (plan->>'level')::integer - (plan->>'block')::integer;
BEGIN
    EXECUTE format($pack$
        WITH noted AS MATERIALIZED (DELETE FROM layers.%1$I RETURNING n, x, y, value, t),
        fresh AS (
            INSERT INTO geoserver.facets (layer, code, value)
            SELECT $1, greatest((SELECT max(code) FROM geoserver.facets WHERE layer = $1), $2)
                   + row_number() OVER (ORDER BY value), value
              FROM (SELECT DISTINCT value FROM noted WHERE $3 AND value IS NOT NULL AND n > 0
                    EXCEPT SELECT value FROM geoserver.facets WHERE layer = $1) AS v
            RETURNING code, value
        ),
        known AS (SELECT code, value FROM geoserver.facets WHERE layer = $1 UNION ALL SELECT code, value FROM fresh),
        changes AS MATERIALIZED (
            SELECT x >> $4 AS x, y >> $4 AS y,
                   coalesce(known.code, CASE WHEN value IS NULL THEN -1 ELSE -2 END)::smallint AS code,
                   t IS NOT NULL AS timed, ((y & $5) << 15) | (x & $5) AS c, t, sum(n) AS n
              FROM noted LEFT JOIN known USING (value)
             GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(n) <> 0
        ),
        touched AS MATERIALIZED (SELECT DISTINCT x, y, code, timed FROM changes),
        gone AS (
            DELETE FROM layers.%2$I AS p USING touched AS b
             WHERE p.x = b.x AND p.y = b.y AND p.code = b.code AND (p.t IS NOT NULL) = b.timed
            RETURNING p.x, p.y, p.code, p.c, p.t
        )
        INSERT INTO layers.%2$I (x, y, code, c, t)
        SELECT x, y, code, array_agg(c), CASE WHEN timed THEN array_agg(t) END
          FROM (SELECT x, y, code, timed, c, t
                  FROM (SELECT x, y, code, timed, c, t, sum(n) AS n
                          FROM (SELECT x, y, code, t IS NOT NULL AS timed, unnest(c) AS c, unnest(t) AS t, 1 AS n FROM gone
                                UNION ALL SELECT x, y, code, timed, c, t, n FROM changes) AS points
                         GROUP BY x, y, code, timed, c, t) AS counted,
                       generate_series(1, n)
                 ORDER BY x, y, code, timed, t, c) AS sorted
         GROUP BY x, y, code, timed $pack$, name || '__delta', name || '__packed')
    USING layer_id, 11, coalesce((plan->>'whole')::boolean, TRUE), inner_bits, (1 << inner_bits) - 1;
END
$$;

-- Bounds of a layer of which something changed at the edge are those of its rows again, and not only ever wider. That is a
-- note of its own, for everyone to be told.
CREATE FUNCTION geoserver.fit_bounds(layer_id text, x0 integer, y0 integer, x1 integer, y1 integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    one geoserver.layers;
    near record;
    box geometry;
BEGIN
    SELECT * INTO one FROM geoserver.layers WHERE id = layer_id;
    SELECT * INTO near FROM geoserver.widen(NULL, NULL, NULL, NULL, x0, y0, x1, y1);
    IF one.west > one.east  -- it crosses the antimeridian
       OR (near.west <= one.west OR near.south <= one.south OR near.east >= one.east OR near.north >= one.north) IS NOT TRUE THEN
        RETURN;
    END IF;
    EXECUTE format('SELECT ST_SetSRID(ST_Extent(%I)::geometry, $1) FROM layers.%I',
                   CASE one.srid WHEN 4326 THEN 'geom' ELSE 'geom_3857' END, replace(layer_id, '-', '_'))
       INTO box USING CASE one.srid WHEN 4326 THEN 4326 ELSE 3857 END;
    box := CASE one.srid WHEN 4326 THEN box ELSE ST_Transform(box, 4326) END;
    IF ST_XMin(box) >= -180 AND ST_YMin(box) >= -90 AND ST_XMax(box) <= 180 AND ST_YMax(box) <= 90
       AND (ST_XMin(box), ST_YMin(box), ST_XMax(box), ST_YMax(box)) <> (one.west, one.south, one.east, one.north) THEN
        UPDATE geoserver.layers SET west = ST_XMin(box), south = ST_YMin(box), east = ST_XMax(box), north = ST_YMax(box)
         WHERE id = layer_id;
        INSERT INTO geoserver.edits (layer, added, tiles) VALUES (layer_id, 0, '[]');
    END IF;
END
$$;

-- Work a layer's notes in; gives how many. To be called in a transaction of its own, REPEATABLE READ, with the layer's table
-- locked in ACCESS SHARE MODE before: notes, rows and packed points are those of one moment. Notes that nobody was told
-- of yet, because the snapshot `told` does not see them, stay for the next time; points beside packed ones do not. Unless
-- the caller is `patching` counted bins in the same transaction, these are emptied, to be counted anew.
-- It runs as its owner: a server's role may be granted this, and needs no rights on tables.
CREATE FUNCTION geoserver.fold_edits(layer_id text, told pg_snapshot DEFAULT NULL, patching boolean DEFAULT FALSE) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    name text := replace(layer_id, '-', '_');
    one geoserver.layers;
    noted record;
    packs boolean;
    runs_out boolean;
BEGIN
    SELECT * INTO one FROM geoserver.layers WHERE id = layer_id FOR UPDATE;
    -- Tiles that are being prepared are put into service with what is noted meanwhile; an interrupted load prepares none.
    IF NOT FOUND OR one.preparing IS NOT NULL
       AND NOT pg_try_advisory_xact_lock(hashtextextended('geoserver.load:' || layer_id, 0)) THEN
        RETURN 0;
    END IF;
    packs := one.preparing IS NULL AND (one.plan->>'block')::integer >= 0
             AND to_regclass(format('layers.%I', name || '__delta')) IS NOT NULL
             AND to_regclass(format('layers.%I', name || '__packed')) IS NOT NULL;
    IF packs AND coalesce((one.plan->>'whole')::boolean, TRUE) THEN
        EXECUTE format('SELECT (SELECT max(code) FROM geoserver.facets WHERE layer = $1)'
                       ' + (SELECT count(DISTINCT value) FROM layers.%I WHERE n > 0) > 32767', name || '__delta')
           INTO runs_out USING layer_id;
        IF runs_out THEN  -- of codes: before a value is packed without one, everyone is told that packed points do not know all
            UPDATE geoserver.layers SET plan = plan || '{"whole": false}' WHERE id = layer_id;
            PERFORM geoserver.tell_state(layer_id, '[]');
            RETURN 0;
        END IF;
    END IF;
    WITH gone AS (DELETE FROM geoserver.edits
                   WHERE layer = layer_id AND (told IS NULL OR pg_visible_in_snapshot(xid, told)
                                               OR xid >= pg_snapshot_xmax(pg_current_snapshot())) RETURNING *)
    SELECT count(*) AS notes, sum(added) AS added, max(last_fid) AS last_fid, max(at) AS at, min(x0) AS x0, min(y0) AS y0, max(x1) AS x1,
           max(y1) AS y1, (SELECT coalesce(jsonb_agg(DISTINCT tile), '[]') FROM gone AS g, jsonb_array_elements(g.tiles) AS tile) AS tiles
      INTO noted FROM gone;
    IF noted.notes = 0 THEN
        RETURN 0;
    END IF;
    UPDATE geoserver.layers AS l SET version = version + noted.notes, rows = rows + noted.added,
           last_fid = greatest(l.last_fid, noted.last_fid), edited_at = greatest(l.edited_at, noted.at),
           (west, south, east, north) = (SELECT b.west, b.south, b.east, b.north FROM geoserver.widen(
               l.west, l.south, l.east, l.north, noted.x0, noted.y0, noted.x1, noted.y1) AS b WHERE l.rows + noted.added > 0)
     WHERE id = layer_id;
    PERFORM geoserver.fit_bounds(layer_id, noted.x0, noted.y0, noted.x1, noted.y1);
    PERFORM geoserver.drop_ready(layer_id, geoserver.few_tiles(noted.tiles));
    IF NOT patching AND to_regclass(format('layers.%I', name || '__bins')) IS NOT NULL THEN
        EXECUTE format('UPDATE layers.%I SET counted = NULL WHERE counted IS NOT NULL', name || '__bins');
    END IF;
    IF to_regclass(format('layers.%I', name || '__delta')) IS NULL THEN
        RETURN noted.notes;
    ELSIF packs THEN
        PERFORM geoserver.pack_edits(layer_id, one.plan);
    ELSE
        EXECUTE format('DELETE FROM layers.%I', name || '__delta');  -- there are no packed points that it is read with
    END IF;
    RETURN noted.notes;
END
$$;

-- Keep a ready tile as it was made anew, or nothing of one that holds nothing or too much, unless it is to be made `again`.
-- It runs as its owner, too.
CREATE FUNCTION geoserver.keep_ready(layer_id text, z integer, x integer, y integer, tile bytea, counted bytea, again boolean)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    ready CONSTANT text := format('layers.%I', replace(layer_id, '-', '_') || '__bins');
BEGIN
    IF tile IS NULL AND counted IS NULL AND NOT again THEN
        EXECUTE format('DELETE FROM %s WHERE z = $1 AND x = $2 AND y = $3', ready) USING z, x, y;
    ELSE
        EXECUTE format('UPDATE %s SET tile = $4, counted = $5 WHERE z = $1 AND x = $2 AND y = $3', ready) USING z, x, y, tile, counted;
    END IF;
END
$$;

REVOKE ALL ON FUNCTION geoserver.fold_edits(text, pg_snapshot, boolean),
    geoserver.keep_ready(text, integer, integer, integer, bytea, bytea, boolean) FROM PUBLIC;

-- Put what was prepared into service. What was edited meanwhile is noted.
CREATE FUNCTION geoserver.finish_preparing(layer_id text, plan jsonb, seconds double precision) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE geoserver.layers AS l SET plan = finish_preparing.plan, preparing = NULL,
           prepare_seconds = finish_preparing.seconds, seconds = l.seconds + finish_preparing.seconds
     WHERE l.id = layer_id AND l.preparing IS NOT NULL;
    PERFORM geoserver.tell_state(layer_id, NULL);
END
$$;

CREATE OR REPLACE FUNCTION geoserver.tell_preparing(layer_id text, share double precision) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE geoserver.layers AS l SET preparing = share
     WHERE l.id = (SELECT id FROM geoserver.layers WHERE id = layer_id AND preparing IS NOT NULL FOR UPDATE SKIP LOCKED);
    PERFORM geoserver.tell_state(layer_id, '[]');
END
$$;

-- As before, but the oldest are forgotten by those alone whom it cannot fail: to a snapshot of the whole transaction, what
-- another has forgotten since is a conflict. Triggers call it, which run as its owner.
CREATE OR REPLACE FUNCTION geoserver.note_arrivals(layer_id text, new_fids bigint[]) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO geoserver.arrivals (layer, fids) VALUES (layer_id, new_fids);
    IF random() < 0.01 AND current_setting('transaction_isolation') = 'read committed' THEN
        DELETE FROM geoserver.arrivals WHERE ctid IN (
            SELECT a.ctid FROM geoserver.arrivals AS a,
                   (SELECT ctid, at, sum(cardinality(fids)) OVER (ORDER BY at DESC) AS behind
                      FROM geoserver.arrivals WHERE layer = layer_id) AS b
             WHERE a.ctid = b.ctid AND (b.at < now() - interval '30 days' OR b.behind > 10000)
               FOR UPDATE OF a SKIP LOCKED);
    END IF;
END
$$;

-- What runs in other people's sessions looks into their temporary schema last, as `search_path` of ours says now.
ALTER FUNCTION geoserver.clip_to_3857(geometry) SET search_path FROM CURRENT;
REVOKE ALL ON FUNCTION geoserver.note_emptied(), geoserver.give_id() FROM PUBLIC;

-- ---------------------------------------------------------------------------------------------------------------------
-- Layers that are loaded already. Points that were packed by a field that is not known any more are counted from the rows.

DO $$
DECLARE
    one geoserver.layers;
    name text;
    place regclass;
BEGIN
    FOR one IN SELECT * FROM geoserver.layers LOOP
        name := replace(one.id, '-', '_');
        place := to_regclass(format('layers.%I', name));
        IF to_regclass(format('layers.%I', name || '__bins')) IS NOT NULL THEN
            EXECUTE format('ALTER TABLE layers.%I ALTER tile DROP NOT NULL, ADD counted bytea', name || '__bins');
            EXECUTE format('ALTER TABLE layers.%I ALTER counted SET STORAGE EXTERNAL', name || '__bins');
            IF one.plan->>'block' IS NOT NULL AND (one.plan->>'block')::integer >= 0 THEN  -- they are counted anew
                EXECUTE format('UPDATE layers.%I SET tile = NULL', name || '__bins');
            END IF;
        END IF;
        CONTINUE WHEN place IS NULL;
        IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = place AND attname = 'fid' AND attidentity = '' AND NOT atthasdef) THEN
            EXECUTE format('ALTER TABLE %s ALTER fid SET NOT NULL, ALTER fid ADD GENERATED BY DEFAULT AS IDENTITY', place);
            PERFORM setval(pg_get_serial_sequence(place::text, 'fid'), one.last_fid) WHERE one.last_fid > 0;
        END IF;
        PERFORM geoserver.name_sequence(place);
        IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = place AND attname = 'source_key' AND NOT attisdropped) THEN
            PERFORM geoserver.keep_keys(place, NULL);  -- the next load knows the field
        END IF;
        IF one.pack <> '' AND one.declared ? 'time' THEN
            PERFORM geoserver.make_delta(name || '__delta', (
                SELECT format_type(typelem, NULL) FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
                 WHERE attrelid = to_regclass(format('layers.%I', name || '__packed')) AND attname = 't'));
            PERFORM geoserver.follow_edits(place, one.id, jsonb_build_object('level', one.plan->'level',
                'facet', one.plan->'facet', 'time', one.declared->'time', 'point', one.geometry_type = 'POINT'));
        ELSE
            UPDATE geoserver.layers SET plan = plan || '{"block": -1}' WHERE id = one.id AND plan ? 'block';
            PERFORM geoserver.follow_edits(place, one.id);
        END IF;
    END LOOP;
END
$$;

ALTER TABLE geoserver.layers DROP COLUMN pack;
