"""The world around a city: land and borders as `web/scripts/world.mjs` cut them, and the graticule."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from geoserver import assets
from geoserver.errors import NotFoundError
from geoserver.tilesets.archive import open_archive
from geoserver.tilesets.graticule import DEEPEST, render_graticule

if TYPE_CHECKING:
    from geoserver.model import Tile
    from geoserver.tilesets.archive import Archive

__all__ = ["render_world"]


def render_world(part: str, tile: Tile) -> bytes:
    """A tile of `land` (layers `land` and `borders`) or of the `graticule`; `b""` where there is only sea.

    Raises NotFoundError for another part, for zooms that it does not have, and while the viewer is not built.
    """
    if part == "graticule" and tile.z <= DEEPEST:
        return render_graticule(tile)
    archive = _open()
    if part == "land" and archive and tile.z <= archive.zooms[1]:
        return archive.read(tile)
    land = f"land at zooms 0 to {archive.zooms[1]}" if archive else "no land: the viewer is not built"
    raise NotFoundError("tile of the world", f"{part}/{tile.z}", f"{land}, or the graticule at zooms 0 to {DEEPEST}")


@functools.cache
def _open() -> Archive | None:
    path = assets.root("web") / "world" / "world.pmtiles"
    return open_archive(path) if path.is_file() else None
