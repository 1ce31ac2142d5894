"""What the tiles of a zoom hold in all: bins, and features, each once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import mercantile
from known_shapes import EXTENT
from random_rows import SIDE, SOUTH, WEST

from geoserver.filtering import build
from geoserver.model import Tile
from geoserver.tiling import render

if TYPE_CHECKING:
    from known_shapes import Shapes


async def count_tiles(shapes: Shapes, layer_id: str, text: str, zoom: int, **view: Any) -> int:
    """What bins count, and features, each once: points where they lie, larger ones by their id.

    `view` are further arguments of `render`: another plan, and points in memory.
    """
    layer, status = shapes.layers[layer_id], shapes.statuses[layer_id]
    where = build(layer, status, filter=text)
    over = mercantile.tiles(WEST - 0.02, SOUTH - 0.02, WEST + SIDE + 0.02, SOUTH + SIDE + 0.02, zooms=zoom)
    tiles = [Tile(tile.z, tile.x, tile.y) for tile in over]
    made = await asyncio.gather(
        *(render(shapes.database, shapes.catalog, layer, status, tile, where=where, **view) for tile in tiles)
    )
    binned, drawn = 0, set()
    for body, tile in zip(made, tiles, strict=True):
        for name, content in mapbox_vector_tile.decode(body, default_options={"y_coord_down": True}).items():
            for item in content["features"]:
                if name == layer_id:
                    placed = item["geometry"]["coordinates"]
                    if layer.kind != "points" or (0 <= placed[0] < EXTENT and 0 <= placed[1] < EXTENT):
                        drawn.add((item["id"], tile if layer.kind == "points" else None))
                else:
                    binned += item["properties"]["count"]
    return binned + len(drawn)
