-- What a load changed, and how full it found the fields; and rejected rows by declared field, so that nothing else of
-- them can be given out. Whole rows that earlier loads kept are dropped; their lines and reasons stay.

ALTER TABLE geoserver.rejects DROP COLUMN raw;
ALTER TABLE geoserver.rejects ADD COLUMN fields jsonb NOT NULL DEFAULT '{}';  -- {"field": "text of its value", ...}

-- [{"field": name or "", "what": ..., "count": ..., "example": ...}, ...] of the last load, as loading.report.Note says.
ALTER TABLE geoserver.layers ADD COLUMN notes jsonb NOT NULL DEFAULT '[]';
-- {"field": values that are not null, ...} of the last load, by which the next one sees that a field ran dry.
ALTER TABLE geoserver.layers ADD COLUMN filled jsonb NOT NULL DEFAULT '{}';

-- Values of a facet may be longer than an index of texts takes; they are still each there once.
ALTER TABLE geoserver.facets DROP CONSTRAINT facets_layer_value_key;
CREATE UNIQUE INDEX facets_layer_value ON geoserver.facets (layer, md5(value));

-- Indexes were named after fields, and so could stand where the table of another layer has to: "trees_height" is both the
-- index of a field of "trees" and the table of "trees-height". Two signs _ are in no name of a layer's table.
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT indexname, tablename, row_number() OVER (PARTITION BY tablename ORDER BY indexname) AS number
                 FROM pg_indexes WHERE schemaname = 'layers' AND strpos(indexname, '__') = 0
                  AND length(tablename) <= 40  -- no table of a layer has a longer name
    LOOP
        EXECUTE format('ALTER INDEX layers.%I RENAME TO %I', one.indexname, one.tablename || '__was_' || one.number);
    END LOOP;
END
$$;
