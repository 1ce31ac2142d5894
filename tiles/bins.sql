-- Bins: square cells that count the features which the tile's own layer does not hold. No kind of layer, but drawn beside
-- those kinds whose recipe says "bins: points|lines|polygons" at its top. (points.sql says how a recipe is written.)
--
-- {cells} gives (col, row, slot, n, first, last, size): how many features of one value of the main choice field lie in a
-- cell, from when to when, and how long or large they are. It is counted from the rows, or from packed points where
-- the filter asks for no more than that field and time; both count every feature in the one cell that its middle lies in.
-- {counts} are the columns that a bin carries beside its count. %(cells)s is the number of cells across the tile, and
-- the tile's extent, so that a corner is a small number; there is no buffer, for a cell belongs to one tile.

SELECT ST_AsMVT(bins, {layer}, %(cells)s, 'geom')
FROM (
    SELECT
        -- From the lower corner up and to the right: the turn of an outer ring where y points down.
        ST_MakeEnvelope(col, row + 1, col + 1, row) AS geom,
        sum(n) AS count
        {counts}
    FROM ({cells} OFFSET 0) AS counted  -- counted before they are chosen: else few are expected, and sorted to be counted
    WHERE col >= 0 AND col < %(cells)s AND row >= 0 AND row < %(cells)s
    GROUP BY row, col
    ORDER BY row, col
) AS bins
