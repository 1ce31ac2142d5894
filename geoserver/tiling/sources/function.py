"""`kind = "function"`: tiles that a SQL function makes."""

# ruff: noqa: ARG002 - one protocol, of which no source needs everything

from __future__ import annotations

from typing import TYPE_CHECKING

from geoserver.tiling import functions
from geoserver.tiling.sources.base import VECTOR, digest, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.model import Layer, Tile
    from geoserver.tiling.sources.base import TileContent, View

__all__ = ["KIND", "SOURCE"]


class Function:
    """A function in the database, with declared parameters."""

    needs_database = True

    def content(self, status: LayerStatus) -> TileContent:
        return VECTOR

    def parse(
        self, layer: Layer, status: LayerStatus, filters: Mapping[str, str], properties: Mapping[str, str]
    ) -> Where:
        return functions.parse_question(layer, {**spoken(filters), **properties})

    def version(self, catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
        return digest(*functions.depends_on(layer), status.loaded_at)

    async def render(
        self, database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, tile: Tile, *, view: View
    ) -> bytes:
        return await functions.render(database, layer, tile, view.where)


KIND = "function"
SOURCE = Function()
