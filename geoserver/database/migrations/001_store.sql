-- Bookkeeping beside the data: `geoserver` says what is loaded, `layers` holds one table per layer.

CREATE EXTENSION IF NOT EXISTS postgis SCHEMA public;  -- where it is not there yet, in whatever schema
CREATE SCHEMA IF NOT EXISTS layers;

-- One row per loaded layer. `version` grows with every change of its rows; bounds are lon/lat and null when empty.
CREATE TABLE geoserver.layers (
    id            text PRIMARY KEY,
    version       bigint NOT NULL,
    rows          bigint NOT NULL,
    rejected      bigint NOT NULL DEFAULT 0,
    readings      bigint NOT NULL DEFAULT 0,
    west          double precision,
    south         double precision,
    east          double precision,
    north         double precision,
    srid          integer NOT NULL,
    geometry_type text NOT NULL,
    loaded_at     timestamptz NOT NULL DEFAULT now(),
    seconds       double precision NOT NULL DEFAULT 0,
    source        text NOT NULL,
    fingerprint   text NOT NULL
);

-- Rows of the last load that could not be served: where they stand in the source, and why.
CREATE TABLE geoserver.rejects (
    layer  text NOT NULL,
    line   bigint NOT NULL,
    reason text NOT NULL,
    raw    text NOT NULL
);
CREATE INDEX rejects_layer_line ON geoserver.rejects (layer, line);
