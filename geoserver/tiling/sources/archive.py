"""`kind = "tiles"`: the tiles of a PMTiles archive."""

# ruff: noqa: ARG002 - one protocol, of which no source needs everything

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from geoserver.errors import BadParameterError, UnavailableError
from geoserver.filtering import Where
from geoserver.tilesets import ArchiveStatus
from geoserver.tiling.sources.base import VECTOR, digest, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer, Tile
    from geoserver.tiling.sources.base import TileContent, View

__all__ = ["KIND", "SOURCE"]

log = logging.getLogger("geoserver")


class Archive:
    """Ready-made tiles, handed on as they are."""

    needs_database = False

    def content(self, status: LayerStatus) -> TileContent:
        return VECTOR

    def parse(
        self, layer: Layer, status: LayerStatus, filters: Mapping[str, str], properties: Mapping[str, str]
    ) -> Where:
        for name, text in [*spoken(filters).items(), *properties.items()]:
            raise BadParameterError(
                name, text, f"no filter: the tiles of {layer.id} are ready-made and stay as they are"
            )
        return Where()

    def version(self, catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
        signature = status.archive.signature if isinstance(status, ArchiveStatus) else ()
        return digest(layer.id, layer.minzoom, layer.maxzoom, signature)

    async def render(
        self, database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, tile: Tile, *, view: View
    ) -> bytes:
        if not isinstance(status, ArchiveStatus) or not layer.minzoom <= tile.z <= layer.maxzoom:
            return b""
        try:
            return await asyncio.to_thread(status.archive.read, tile)
        except (ValueError, OSError) as error:
            log.warning("%s, tile %d/%d/%d: %s", status.archive.path, tile.z, tile.x, tile.y, error)
            raise UnavailableError(f"The archive of layer {layer.id} cannot be read at this tile.") from error


KIND = "tiles"
SOURCE = Archive()
