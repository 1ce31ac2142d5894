-- Which rows are new, and since when: what feeds tell. A log for readers, which nothing else rests on: an entry for each
-- statement that inserted rows and for each load that brought some, kept for thirty days and ten thousand rows of a layer.
CREATE TABLE geoserver.arrivals (
    layer text NOT NULL,
    at    timestamptz NOT NULL DEFAULT now(),
    fids  bigint[] NOT NULL  -- the newest thousand of them
);
CREATE INDEX arrivals_layer ON geoserver.arrivals (layer, at);

-- Note them, and now and then forget the oldest; entries that another editor is about to forget are left to them, so that
-- nobody waits. It runs as its owner: whoever edits a layer needs no right on the log.
CREATE FUNCTION geoserver.note_arrivals(layer_id text, new_fids bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO geoserver.arrivals (layer, fids) VALUES (layer_id, new_fids);
    IF random() < 0.01 THEN
        DELETE FROM geoserver.arrivals WHERE ctid IN (
            SELECT a.ctid FROM geoserver.arrivals AS a,
                   (SELECT ctid, at, sum(cardinality(fids)) OVER (ORDER BY at DESC) AS behind
                      FROM geoserver.arrivals WHERE layer = layer_id) AS b
             WHERE a.ctid = b.ctid AND (b.at < now() - interval '30 days' OR b.behind > 10000)
               FOR UPDATE OF a SKIP LOCKED);
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION geoserver.note_insert() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM geoserver.note_ranges(TG_ARGV[0], count(*), max(fid), array_agg(ST_Envelope(geom_3857))) FROM new_rows
     HAVING count(*) > 0;
    PERFORM geoserver.note_arrivals(TG_ARGV[0], array_agg(fid))
       FROM (SELECT fid FROM new_rows ORDER BY fid DESC LIMIT 1000) AS newest HAVING count(*) > 0;
    RETURN NULL;
END
$$;
