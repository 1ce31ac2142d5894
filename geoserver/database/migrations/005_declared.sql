-- What the layer file said when the layer was loaded, as far as rows and tiles follow from it; catalog/declared.py says
-- how it is written. Null where an older version of this program loaded it.
ALTER TABLE geoserver.layers ADD COLUMN declared jsonb;
