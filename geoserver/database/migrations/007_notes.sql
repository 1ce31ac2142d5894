-- What a load changed, and how full it found the fields; and rejected rows by declared field, so that nothing else of
-- them can be given out. Whole rows that earlier loads kept are dropped; their lines and reasons stay.

ALTER TABLE geoserver.rejects DROP COLUMN raw;
ALTER TABLE geoserver.rejects ADD COLUMN fields jsonb NOT NULL DEFAULT '{}';  -- {"field": "text of its value", ...}

-- [{"field": name or "", "what": ..., "count": ..., "example": ...}, ...] of the last load, as loading.report.Note says.
ALTER TABLE geoserver.layers ADD COLUMN notes jsonb NOT NULL DEFAULT '[]';
-- {"field": values that are not null, ...} of the last load, by which the next one sees that a field ran dry.
ALTER TABLE geoserver.layers ADD COLUMN filled jsonb NOT NULL DEFAULT '{}';
