"""`kind = "tiles"`: the tiles of a PMTiles archive."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from geoserver.catalog import source_path
from geoserver.catalog.rowless import OF_FUNCTIONS, OF_ROWS, Rules
from geoserver.database.status import LayerStatus
from geoserver.errors import CatalogError, UnavailableError
from geoserver.model import TilePlan
from geoserver.tilesets import Archive, open_archive, read_signature
from geoserver.tiling.sources.base import RowlessSource, build_common, digest

if TYPE_CHECKING:
    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.model import Layer, Tile
    from geoserver.tiling.sources.base import Drawing

__all__ = ["KIND", "RULES", "SOURCE", "ArchiveStatus"]

log = logging.getLogger("geoserver")


@dataclass(frozen=True, slots=True)
class ArchiveStatus(LayerStatus):
    """The state of a layer whose tiles lie in an archive; whoever holds it reads from that very file to the end."""

    archive: Archive = field(kw_only=True)


class ReadyMade(RowlessSource):
    """Ready-made tiles, handed on as they are."""

    def open(self, layer: Layer) -> tuple[Layer, LayerStatus]:
        path = source_path(layer)
        try:
            archive = open_archive(path)
        except OSError as error:
            raise CatalogError(str(layer.file), "source", f"a readable file at {path}: {error.strerror}") from error
        except ValueError as error:
            raise CatalogError(str(layer.file), "source", f"{error} ({path})") from error
        low, high = archive.zooms
        narrowed = replace(layer, minzoom=max(layer.minzoom, low), maxzoom=min(layer.maxzoom, high))
        if narrowed.minzoom > narrowed.maxzoom:
            raise CatalogError(str(layer.file), "minzoom", f"zooms that the archive has: {low} to {high}")
        changed = archive.signature[2] / 1e9
        said = archive.metadata.get("features_from")
        plan = TilePlan(features_from=said if isinstance(said, int) and 0 <= said <= high else 0)
        common = build_common(layer, int(changed), changed, archive.bounds)
        return narrowed, ArchiveStatus(**common, plan=plan, archive=archive)

    def sign(self, layer: Layer) -> object:
        return read_signature(source_path(layer))

    def list_layers(self, status: LayerStatus) -> list[dict[str, Any]] | None:
        return list(status.archive.metadata["vector_layers"]) if isinstance(status, ArchiveStatus) else None

    def version(self, catalog: Catalog, layer: Layer, status: LayerStatus) -> str:  # noqa: ARG002 - see base
        signature = status.archive.signature if isinstance(status, ArchiveStatus) else ()
        return digest(layer.id, layer.minzoom, layer.maxzoom, signature)

    async def render(
        self,
        database: Database,  # noqa: ARG002 - see base
        catalog: Catalog,  # noqa: ARG002
        layer: Layer,
        status: LayerStatus,
        tile: Tile,
        *,
        drawing: Drawing,  # noqa: ARG002
    ) -> bytes:
        if not isinstance(status, ArchiveStatus) or not layer.minzoom <= tile.z <= layer.maxzoom:
            return b""
        try:
            return await asyncio.to_thread(status.archive.read, tile)
        except (ValueError, OSError) as error:
            log.warning("%s, tile %d/%d/%d: %s", status.archive.path, tile.z, tile.x, tile.y, error)
            raise UnavailableError(f"The archive of layer {layer.id} cannot be read at this tile.") from error


KIND = "tiles"
SOURCE = ReadyMade()
RULES = Rules(
    idle=OF_ROWS | OF_FUNCTIONS | {"fields"},
    why="the archive says it all",
    what="an archive of tiles",
    endings=(".pmtiles",),
    schemas=True,
    knows_zooms=True,
)
