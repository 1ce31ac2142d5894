-- What each load of a layer did, the newest hundred of each.
CREATE TABLE geoserver.loads (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    layer    text NOT NULL,
    version  bigint NOT NULL,
    at       timestamptz NOT NULL,
    read     bigint NOT NULL,
    rows     bigint NOT NULL,
    rejected bigint NOT NULL,
    readings bigint NOT NULL,
    changed  jsonb NOT NULL,  -- {"field" or "" for the geometry: values of kept rows left empty or repaired, ...}
    reasons  jsonb NOT NULL   -- {"why rows were rejected": rows, ...}
);
CREATE INDEX loads_layer ON geoserver.loads (layer, id);
