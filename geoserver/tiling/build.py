"""Tiles of a layer into a PMTiles archive, by the same recipes and filters as the server's."""

from __future__ import annotations

import asyncio
import gzip
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import mercantile
from pmtiles.tile import zxy_to_tileid
from psycopg.sql import SQL, Identifier

from geoserver import __version__
from geoserver.errors import SetupError
from geoserver.grid import MAX_LATITUDE, MERCATOR_HALF, intersects, tile_bounds, tile_count
from geoserver.model import Bounds, Tile
from geoserver.tiling.postgis import BUFFER, EXTENT
from geoserver.tiling.results import Result, read_result, read_rows
from geoserver.tiling.sources import VECTOR, render, rowless_source_of, tile_content, tile_version
from geoserver.tiling.tilejson import build_tilejson, join_bounds
from geoserver.tiling.workfile import Frame, WorkFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.model import Layer

__all__ = ["MARGIN", "MAX_TILES", "Built", "build_archive", "count_tiles"]

MAX_TILES = 2_000_000
_TOP = Tile(0, 0, 0)
MARGIN = 2 * BUFFER / EXTENT  # of a tile's width: beyond it no recipe draws anything
_SAVE = 2.0  # seconds between two moments at which what is done outlasts a kill
_OCCUPIED = SQL(
    "SELECT EXISTS (SELECT FROM {} WHERE geom_3857 && ST_TileEnvelope(%(z)s, %(x)s, %(y)s, margin => {}) AND ({}))"
)


@dataclass(frozen=True, slots=True)
class Built:
    """What came of a build."""

    tiles: int  # that hold something
    size: int  # bytes of the archive


@dataclass
class _Build:
    database: Database
    catalog: Catalog
    layer: Layer
    status: LayerStatus
    zooms: tuple[int, int]
    where: Where
    result: Result | None  # of the filter
    work: WorkFile
    advance: Callable[[int], None]

    async def run(self, workers: int) -> None:
        """Walk down from the tile of zoom 0: depth first, so that few tiles wait at any time."""
        waiting = [Tile(0, 0, 0)]
        running: set[asyncio.Task[list[Tile]]] = set()
        done: set[asyncio.Task[list[Tile]]] = set()
        saved = time.monotonic()
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    running.add(asyncio.ensure_future(self._do(waiting.pop())))
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    waiting.extend(task.result())
                if time.monotonic() - saved > _SAVE:
                    self.work.save()
                    saved = time.monotonic()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, *done, return_exceptions=True)

    async def _do(self, tile: Tile) -> list[Tile]:
        """Make one tile, and give those below it that may hold something, the first one last."""
        tile_id = zxy_to_tileid(tile.z, tile.x, tile.y)
        goes_on = self.work.find(tile_id)
        if goes_on is None:
            goes_on = await self._make(tile, tile_id)
        if tile.z >= self.zooms[0]:
            self.advance(1)
        if not goes_on:
            self.advance(self._count_below(tile))
            return []
        return [child for child in _children(tile) if tile.z < self.zooms[1] and self._may_hold(child)][::-1]

    async def _make(self, tile: Tile, tile_id: int) -> bool:
        """Render and note a tile; gives whether tiles below it may hold something."""
        body = b""
        if tile.z >= self.zooms[0]:
            body = await render(
                self.database,
                self.catalog,
                self.layer,
                self.status,
                tile,
                where=self.where,
                features_from=self.result.features_from if self.result else None,
                points=self.result.find_points(tile.z) if self.result else None,
                fits=self.result is not None,
                few=self.result is not None and self.result.is_sparse(self.status),
            )
        # An empty tile has empty tiles below it only when there are no rows: what a recipe leaves out for being too
        # small shows further down, and a point just beyond the edge is drawn there, too.
        barren = (
            not body and tile.z < self.zooms[1] and not await is_occupied(self.database, self.layer, tile, self.where)
        )
        packed = await asyncio.to_thread(gzip.compress, body, 9, mtime=0) if body else b""
        self.work.add(tile_id, packed, barren=barren)
        return not barren

    def _may_hold(self, tile: Tile) -> bool:
        return intersects(_area(self.layer, self.status), tile_bounds(tile, margin=MARGIN))

    def _count_below(self, tile: Tile) -> int:
        area = _area(self.layer, self.status)
        return _count(area, (max(tile.z + 1, self.zooms[0]), self.zooms[1]), tile)


async def build_archive(
    database: Database,
    catalog: Catalog,
    layer: Layer,
    status: LayerStatus,
    target: Path,
    *,
    zooms: tuple[int, int],
    where: Where,
    workers: int = 4,
    advance: Callable[[int], None] = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
) -> Built:
    """Write the archive; what an interrupted build of the same left beside it is used, and removed at the end.

    `advance` is told how many of `count_tiles` are dealt with, `tell` what became of an earlier build.
    Raises SetupError for too many tiles and for what the disk does not allow, UnavailableError when the database goes
    away; the next build then goes on from there.
    """
    if tile_content([(layer, status)]) != VECTOR:
        raise SetupError(f"The tiles of layer {layer.id} are no vector tiles, and only those can be built.")
    if layer.has_rows and status.bounds is None:
        raise SetupError(f"Layer {layer.id} has no rows, so there are no tiles to build.")
    total = count_tiles(layer, status, zooms)
    if total > MAX_TILES:
        raise SetupError(_say_too_many(_area(layer, status), zooms, total))
    result = None
    if where.canonical and layer.has_rows:
        result = await read_result(database, catalog, layer, status, where)
        if result.few:
            rows = await read_rows(database, layer, status, where)
            result = replace(result, held=result.held if rows.held is None else rows.held)
    document = build_tilejson(catalog, [(layer, status)], "", "", [result.features_from if result else None])
    metadata = _build_metadata(document, zooms)
    work = WorkFile(target, _build_plan(catalog, layer, status, (*zooms, document["features_from"]), where))
    try:
        if work.differs:
            tell(f"Begins anew: {' and '.join(work.differs)} changed since the build that was interrupted.")
        elif work.resumed:
            tell(f"Goes on: {work.resumed:,} tiles were dealt with before the interruption.")
        build = _Build(database, catalog, layer, status, zooms, where, result, work, advance)
        await build.run(workers)
        longitude, latitude, zoom = document["center"]
        centre = (longitude, latitude, min(max(zoom, zooms[0]), zooms[1]))
        tiles, size = work.finish(Frame(metadata, Bounds(*document["bounds"]), centre))
    finally:
        work.close()
    return Built(tiles, size)


async def is_occupied(database: Database, layer: Layer, tile: Tile, where: Where) -> bool:
    """Whether some row that is asked for touches the tile or is just beyond its edge; what has no rows may be anywhere.

    Raises UnavailableError.
    """
    if not layer.has_rows:
        return True
    query = _OCCUPIED.format(Identifier("layers", layer.table), MARGIN, where.sql)
    values = {"z": tile.z, "x": tile.x, "y": tile.y, **where.params}
    return bool(await database.fetch_value(query, values))


def count_tiles(layer: Layer, status: LayerStatus, zooms: tuple[int, int]) -> int:
    """Tiles of these zooms that touch the layer's area: as many as a build may write."""
    return _count(_area(layer, status), zooms)


def _count(area: Bounds, zooms: tuple[int, int], below: Tile = _TOP) -> int:
    """Tiles of these zooms that touch an area in lon/lat and lie in the tile `below`."""
    return sum(
        (last_x - first_x + 1) * (last_y - first_y + 1)
        for zoom in range(zooms[0], zooms[1] + 1)
        for first_x, first_y, last_x, last_y in _ranges(area, zoom, below)
    )


def _ranges(area: Bounds, zoom: int, below: Tile) -> Iterator[tuple[int, int, int, int]]:
    """First and last columns and rows; two ranges for an area that crosses the antimeridian."""
    spans = [(area.west, area.east)] if area.west <= area.east else [(area.west, 180.0), (-180.0, area.east)]
    count, wider = tile_count(zoom), 1 << max(zoom - below.z, 0)
    rows = sorted(_row(latitude) * count for latitude in (area.south, area.north))
    first_y, last_y = _clip(rows[0], rows[1], below.y * wider, (below.y + 1) * wider - 1)
    for west, east in spans:
        start, end = ((degrees + 180) / 360 * count for degrees in (west, east))
        first_x, last_x = _clip(start, end, below.x * wider, (below.x + 1) * wider - 1)
        if first_x <= last_x and first_y <= last_y:
            yield first_x, first_y, last_x, last_y


def _clip(start: float, end: float, first: int, last: int) -> tuple[int, int]:
    """The columns (or rows) from `first` to `last` that with their margin touch the stretch from `start` to `end`."""
    return max(math.ceil(start - 1 - MARGIN), first), min(math.floor(end + MARGIN), last)


def _row(latitude: float) -> float:
    """Share of the way from the northern to the southern edge of the tile matrix."""
    _, y = mercantile.xy(0.0, min(max(latitude, -MAX_LATITUDE), MAX_LATITUDE))
    return float(0.5 - y / (2 * MERCATOR_HALF))


def _children(tile: Tile) -> list[Tile]:
    return [Tile(tile.z + 1, 2 * tile.x + dx, 2 * tile.y + dy) for dx in (0, 1) for dy in (0, 1)]


def _area(layer: Layer, status: LayerStatus) -> Bounds:
    """Where there may be tiles at all."""
    return status.bounds or layer.bounds or join_bounds([])


def _say_too_many(area: Bounds, zooms: tuple[int, int], total: int) -> str:
    fitting = [last for last in range(zooms[0], zooms[1]) if _count(area, (zooms[0], last)) <= MAX_TILES]
    advice = f"--zoom {zooms[0]}-{fitting[-1]} would be few enough" if fitting else "begin at a lower zoom"
    return f"Zooms {zooms[0]} to {zooms[1]} would be {total:,} tiles; at most {MAX_TILES:,} are built: {advice}."


def _build_plan(
    catalog: Catalog, layer: Layer, status: LayerStatus, zooms: tuple[int, ...], where: Where
) -> dict[str, Any]:
    """What the tiles follow from, by the words in which a difference is told.

    `zooms` are the first, the last, and the one from which all is drawn.
    """
    version = tile_version if layer.has_rows else rowless_source_of(layer).follows_from
    return {
        "the layer": layer.id,
        "its fields, recipe or source": version(catalog, layer, status),
        "its rows": f"{status.version} {status.loaded_at.isoformat()}" if layer.has_rows else "",
        "the filter": where.canonical,
        "the zooms": list(zooms),
        "the program": __version__,
    }


def _build_metadata(document: dict[str, Any], zooms: tuple[int, int]) -> dict[str, Any]:
    """The archive's JSON from the TileJSON."""
    kept = ("name", "description", "attribution", "features_from")
    plain = {key: document[key] for key in kept if key in document}
    layers = [
        item
        | {"minzoom": max(item.get("minzoom", 0), zooms[0]), "maxzoom": min(item.get("maxzoom", zooms[1]), zooms[1])}
        for item in document["vector_layers"]
    ]
    shown = [item for item in layers if item["minzoom"] <= item["maxzoom"]]
    return {**plain, "vector_layers": shown}
