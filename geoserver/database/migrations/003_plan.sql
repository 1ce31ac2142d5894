-- How the layer's rows become tiles, found at load: {"features_from": zoom, "facet": field, "values": [...],
-- "zooms": [[shown, cells], ...]}; model.TilePlan says what each means.
ALTER TABLE geoserver.layers ADD COLUMN plan jsonb NOT NULL DEFAULT '{}';
