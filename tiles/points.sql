-- Points: every point that the filter leaves.
--
-- bins: points
--
-- How a recipe is written
--   It is one SELECT that gives the layer's part of a vector tile as one bytea, written with these placeholders:
--     {table}      the layer's table, quoted: columns fid, geom_3857 (indexed), of lines and polygons visible_from (the
--                  zoom from which they can be seen), and one per declared field
--     {columns}    the properties that a tile carries, each with its alias, behind a comma (or nothing at all)
--     {names}      those aliases alone, each behind a comma, to group by
--     {where}      what filter, bbox and datetime leave: a boolean expression, TRUE when nothing is filtered
--     {layer}      the layer's id as a literal: the name of the layer inside the tile
--   and these values, always bound, never pasted, so that one prepared statement serves every tile:
--     %(z)s %(x)s %(y)s   the tile, as integers
--     %(pixel)s           metres of EPSG:3857 under one CSS pixel (512 to a tile), double precision
--   A percent sign that means itself is written twice. "bins: points|lines|polygons" above says that where the features
--   are too many or too small for a tile, the others are counted in bins (tiles/bins.sql): the server then decides from
--   the layer's density what is drawn at which zoom, and {where} leaves just that. A recipe without that line is run as it
--   is at every zoom, and its tiles may grow large. One that needs fields of certain names says so at its top, as in
--   "columns: zoom integer, class text".
--
-- Rules that every recipe keeps
--   The envelope is transformed, never the column; && on the indexed column, widened by the buffer; extent 4096, buffer 64;
--   fid is the feature id; no LIMIT without ORDER BY, and here no LIMIT at all; no row is dropped.
--   Ordered by fid: the same rows are the same bytes however many workers read them (the ETag promises it), and what
--   overlaps is drawn in the same order on both sides of a tile's edge.

SELECT ST_AsMVT(features.*, {layer}, 4096, 'geom', 'fid')
FROM (
    SELECT
        fid,
        ST_AsMVTGeom(geom_3857, ST_TileEnvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true) AS geom
        {columns}
    FROM {table}
    WHERE geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => 64.0 / 4096)
      AND ({where})
    ORDER BY fid
) AS features
