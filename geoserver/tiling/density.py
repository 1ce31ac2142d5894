"""How densely a layer's features lie: counts by tile, of all rows or of a sample, from which its plan is found."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from psycopg.sql import SQL, Composed, Identifier, Literal

from geoserver.filtering import Where
from geoserver.model import Tile
from geoserver.tiling.bins import anchor_of

if TYPE_CHECKING:
    import psycopg

__all__ = ["EVERYTHING", "Density", "count_densest", "read_density", "sampling", "tile_at"]

_SAMPLE = 100_000  # rows of which a sample is told: enough to see where a city is dense, and read in no time
_FEW_TILES = 50  # that are looked into one by one
EVERYTHING = Where()


@dataclass(slots=True)
class Density:
    """How many features lie in the tiles of one zoom, by the zoom from which each can be seen."""

    zoom: int
    x: np.ndarray
    y: np.ndarray
    visible: np.ndarray
    n: np.ndarray

    def at(self, zoom: int, shown: int = 99) -> tuple[np.ndarray, np.ndarray]:
        """Keys (column << 32 | row) of the tiles at `zoom`, and in each the features visible at `shown`."""
        shift = self.zoom - zoom
        seen = self.visible <= shown
        keys = (self.x[seen] >> shift) << 32 | self.y[seen] >> shift
        tiles, places = np.unique(keys, return_inverse=True)
        return tiles, np.bincount(places, weights=self.n[seen], minlength=len(tiles)).astype(np.int64)

    def densest(self, zoom: int, shown: int = 99) -> tuple[Tile, int]:
        """The tile with the most features, and how many they are."""
        tiles, counts = self.at(zoom, shown)
        if not len(tiles):
            return Tile(zoom, 0, 0), 0
        best = int(np.argmax(counts))
        return tile_at(zoom, int(tiles[best])), int(counts[best])


def tile_at(zoom: int, key: int) -> Tile:
    """The tile with a key of `Density.at`."""
    return Tile(zoom, key >> 32, key & 0xFFFFFFFF)


def read_density(
    connection: psycopg.Connection,
    table: str,
    zoom: int,
    *,
    geometry_type: str,
    points: bool,
    rows: int = 0,
    where: Where = EVERYTHING,
) -> Density:
    """Count the rows of `layers.table`; where `rows` says how many there are, a sample, scaled to them."""
    query = SQL(
        "COPY (SELECT geoserver.cell(ST_X({anchor}), {zoom}), geoserver.cell(-ST_Y({anchor}), {zoom}), {visible},"
        " count(*) FROM {table} {sample} WHERE {where} GROUP BY 1, 2, 3) TO STDOUT (FORMAT csv)"
    ).format(
        anchor=anchor_of(geometry_type),
        zoom=Literal(zoom),
        visible=SQL("0" if points else "visible_from"),
        table=Identifier("layers", table),
        sample=sampling(rows),
        where=where.sql,
    )
    with connection.cursor() as cursor, cursor.copy(query, where.params or None) as copy:
        text = b"".join(copy)
    if not text:
        return Density(zoom, *(np.array([], dtype=np.int64) for _ in range(4)))
    names = ["x", "y", "visible", "n"]
    types = dict.fromkeys(names, pa.int64())
    found = pacsv.read_csv(
        io.BytesIO(text),
        pacsv.ReadOptions(column_names=names),
        convert_options=pacsv.ConvertOptions(column_types=types),
    )
    x, y, visible, n = (found[name].to_numpy() for name in names)
    return Density(zoom, x, y, visible, n * max(1.0, rows / _SAMPLE))


def sampling(rows: int) -> Composed:
    """Behind a table's name: some blocks of a table with so many rows, each time the same; few rows are all read."""
    sample = "TABLESAMPLE SYSTEM ({}) REPEATABLE (7)" if rows > _SAMPLE else ""
    return SQL(sample).format(*[Literal(100.0 * _SAMPLE / rows)] if rows > _SAMPLE else [])


def count_densest(
    connection: psycopg.Connection,
    table: str,
    zoom: int,
    *,
    density: Density,
    most: float,
    geometry_type: str,
    where: Where = EVERYTHING,
) -> tuple[int, int]:
    """Features in the densest tile of a zoom beyond that of `density`, and in all tiles that hold more than `most`.

    Such a tile lies in one that holds more than `most` itself. Where those are few, no others are looked into, and what
    is found is too little where it is not more than `most`.
    """
    tiles, counts = density.at(density.zoom)
    full = [tile_at(density.zoom, key) for key in tiles[counts > most].tolist()]
    places = [SQL("ST_TileEnvelope({}, {}, {})").format(*map(Literal, (tile.z, tile.x, tile.y))) for tile in full]
    if len(places) > _FEW_TILES:
        places = [SQL("ST_TileEnvelope(0, 0, 0)").format()]
    best = crowded = 0
    for place in places:
        row = connection.execute(
            SQL(
                "SELECT max(n), sum(n) FILTER (WHERE n > {most})"
                " FROM (SELECT count(*) AS n FROM {table} WHERE geom_3857 && {place} AND ({where})"
                " GROUP BY geoserver.cell(ST_X({anchor}), {zoom}), geoserver.cell(-ST_Y({anchor}), {zoom})) AS tiles"
            ).format(
                table=Identifier("layers", table),
                place=place,
                anchor=anchor_of(geometry_type),
                zoom=Literal(zoom),
                most=Literal(most),
                where=where.sql,
            ),
            where.params or None,
        ).fetchone()
        densest, more = row or (0, 0)
        best, crowded = max(best, int(densest or 0)), crowded + int(more or 0)
    return best, crowded
