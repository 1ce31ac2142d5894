"""All tiles of a frozen map as one PMTiles archive: its data, the basemap, and the world around it.

What several sources of a style give is one tile here. The world's layers have names of their own (`world:land`), for a
basemap has a `land`, too.
"""

from __future__ import annotations

import asyncio
import gzip
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pmtiles.reader import MmapSource, Reader
from pmtiles.tile import zxy_to_tileid

from geoserver.database.tuning import read_cores
from geoserver.encodings import compress
from geoserver.errors import NotFoundError
from geoserver.freezing.frame import AROUND, count_tiles, list_tiles
from geoserver.model import Tile
from geoserver.tasks import do_together
from geoserver.tilesets import render_world
from geoserver.tiling import find_occupied, render_several
from geoserver.tiling.workfile import Frame, WorkFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Bounds, Layer

__all__ = ["WORLD", "WORLD_LAST", "Drawn", "Tiles", "read_tiles"]

WORLD = ("land", "graticule")
WORLD_LAST = 6  # the last zoom of its own; below it a client overzooms
_WORKERS = max(1, min(2, read_cores() - 1))  # statements at a time: a core is left to live maps
_TOGETHER = 32  # tiles of one statement, half a megabyte each at the very most
# Of vector tiles (MVT 2.1): a layer within a tile, its name within the layer, and the kind of fields with a length.
_LAYER, _NAME, _SIZED = 0x1A, 0x0A, 2
_MORE = 0x80  # says that a number goes on in the next byte

type Seen = tuple[Layer, LayerStatus]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Layers, and the last zoom at which there are tiles of them."""

    layers: Sequence[Seen]
    last: int


@dataclass(slots=True)
class Tiles:
    """Makes the archive; `frame` is where there are tiles of the basemap, `advance` is told of each tile."""

    database: Database
    catalog: Catalog
    data: Drawn
    base: Drawn
    frame: Bounds
    most: int  # tiles of data at all zooms
    advance: Callable[[int], None] = lambda _: None
    data_last: int = field(init=False, default=0)  # the last zoom with data in the end

    def count(self) -> int:
        """How many there will be, roughly: no more than that."""
        counts = [count_tiles(self.frame, zoom) for zoom in range(max(self.data.last, self.base.last) + 1)]
        after = self.base.last + 1
        return sum(counts[:after]) + min(sum(counts[after:]), self.most)

    async def write(self, target: Path) -> None:
        """Make all of them. Raises UnavailableError when the database goes away, SetupError where the disk is full."""
        work = WorkFile(target, {})
        try:
            candidates, left = [Tile(0, 0, 0)], self.most
            for zoom in range(max(self.data.last, self.base.last, WORLD_LAST) + 1):
                left -= len(candidates)
                if zoom > self.data.last or left < 0:
                    candidates = []
                if candidates:
                    self.data_last = zoom
                candidates = await self._make_zoom(work, zoom, candidates)
            bounds = self.frame
            middle = ((bounds.west + bounds.east) / 2, (bounds.south + bounds.north) / 2, 0)
            await asyncio.to_thread(work.finish, Frame({"vector_layers": self._describe()}, bounds, middle))
        finally:
            work.close()

    async def _make_zoom(self, work: WorkFile, zoom: int, candidates: Sequence[Tile]) -> list[Tile]:
        """Make the tiles of a zoom; gives those of the next that may hold data."""
        with_base = set(list_tiles(self.frame, zoom)) if zoom <= self.base.last else set()
        with_world = set(list_tiles(self.frame, zoom, AROUND)) if zoom <= WORLD_LAST else set()
        with_data = set(candidates)
        waiting = itertools.batched(sorted(with_base | with_world | with_data, key=_place), _TOGETHER)
        below: list[Tile] = []

        async def work_on() -> None:
            for tiles in waiting:
                holding = [tile for tile in tiles if tile in with_data]
                data = await self._render(self.data.layers, holding)
                base = await self._render(self.base.layers, [tile for tile in tiles if tile in with_base])
                world = {tile: _render_world(tile) for tile in tiles if tile in with_world}
                bodies = [base.get(tile, b"") + world.get(tile, b"") + data.get(tile, b"") for tile in tiles]
                for tile, packed in zip(tiles, await asyncio.to_thread(_pack, bodies, zoom), strict=True):
                    work.add(_place(tile), packed)
                if zoom < self.data.last:
                    occupied = await self._find_occupied([tile for tile in holding if not data[tile]])
                    for tile in holding:
                        if data[tile] or tile in occupied:
                            below.extend(_children(tile))
                self.advance(len(tiles))

        await do_together(*(work_on() for _ in range(_WORKERS)))
        return below

    async def _render(self, layers: Sequence[Seen], tiles: Sequence[Tile]) -> dict[Tile, bytes]:
        """All layers of each tile."""
        found = dict.fromkeys(tiles, b"")
        for layer, status in layers:
            if tiles and layer.minzoom <= tiles[0].z <= layer.maxzoom:
                made = await render_several(self.database, self.catalog, layer, status, tiles)
                found = {tile: body + made[tile] for tile, body in found.items()}
        return found

    async def _find_occupied(self, tiles: Sequence[Tile]) -> set[Tile]:
        """The empty tiles below which there may be something: too small to be seen, it is there further down."""
        found: set[Tile] = set()
        for layer, _ in self.data.layers:
            left = [tile for tile in tiles if tile not in found]
            if left:
                later = layer.minzoom > left[0].z
                found |= set(left) if later else await find_occupied(self.database, layer, left)
        return found

    def _describe(self) -> list[dict[str, Any]]:
        return [{"id": layer.id, "fields": {}} for layer, _ in (*self.data.layers, *self.base.layers)]


def read_tiles(archive: Path, wanted: Iterable[Tile]) -> dict[Tile, bytes]:
    """Tiles of an archive, uncompressed; empty where there is none. Raises OSError."""
    with archive.open("rb") as file:
        reader = Reader(MmapSource(file))
        found = {tile: reader.get(tile.z, tile.x, tile.y) for tile in wanted}
    return {tile: gzip.decompress(body) if body else b"" for tile, body in found.items()}


def _pack(bodies: Sequence[bytes], zoom: int) -> list[bytes]:
    """Compressed; in a thread. The tile of the whole world is in every archive, for there is none without tiles."""
    return [compress(body, "gzip") if body or zoom == 0 else b"" for body in bodies]


def _place(tile: Tile) -> int:
    return zxy_to_tileid(tile.z, tile.x, tile.y)


def _children(tile: Tile) -> list[Tile]:
    return [Tile(tile.z + 1, 2 * tile.x + dx, 2 * tile.y + dy) for dx in (0, 1) for dy in (0, 1)]


def _render_world(tile: Tile) -> bytes:
    """Its layers under names of their own."""
    parts = []
    for part in WORLD:
        try:
            parts.append(_rename(render_world(part, tile)))
        except NotFoundError:  # the viewer is not built
            continue
    return b"".join(parts)


def _rename(body: bytes) -> bytes:
    """A vector tile with `world:` before the name of each layer: field 1 of each field 3 of the tile (MVT 2.1)."""
    out = bytearray()
    at = 0
    while at < len(body):
        if body[at] != _LAYER:
            raise ValueError("a vector tile begins each layer with field 3")
        size, at = _read_varint(body, at + 1)
        layer, at = body[at : at + size], at + size
        out += _field(_LAYER, _rename_layer(layer))
    return bytes(out)


def _rename_layer(layer: bytes) -> bytes:
    at = 0
    while at < len(layer):
        key, start = _read_varint(layer, at)
        size, after = _read_varint(layer, start)
        end = after + size if key & 7 == _SIZED else after  # all others are numbers
        if key == _NAME:
            return layer[:at] + _field(_NAME, b"world:" + layer[after:end]) + layer[end:]
        at = end
    return layer


def _field(key: int, content: bytes) -> bytes:
    size, head = len(content), bytearray([key])
    while size >= _MORE:
        head.append(size & ~_MORE & 0xFF | _MORE)
        size >>= 7
    head.append(size)
    return bytes(head) + content


def _read_varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & ~_MORE) << shift
        if byte < _MORE:
            return value, at
        shift += 7
