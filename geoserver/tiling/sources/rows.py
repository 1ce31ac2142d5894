"""Tiles of rows, by a recipe in `tiles/`: what every kind of layer is that no other module here names."""

# ruff: noqa: ARG002 - one protocol, of which no source needs everything

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import psycopg

from geoserver import filtering
from geoserver.errors import UnavailableError
from geoserver.tiling import postgis
from geoserver.tiling.bins import Subject
from geoserver.tiling.drawing import draw
from geoserver.tiling.plans import lower_plan
from geoserver.tiling.sources.base import VECTOR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.model import Layer, Tile
    from geoserver.tiling.sources.base import Drawing, TileContent

__all__ = ["Rows"]

log = logging.getLogger("geoserver")

# What a recipe comes to that is no SQL, or names what there is not.
_WRONG = (psycopg.ProgrammingError, KeyError, IndexError, ValueError)


class Rows:
    """A recipe over the layer's table."""

    needs_database = True

    def content(self, status: LayerStatus) -> TileContent:
        return VECTOR

    def parse(
        self, layer: Layer, status: LayerStatus, filters: Mapping[str, str], properties: Mapping[str, str]
    ) -> Where:
        # The names are those of `build`'s arguments, and it checks their values.
        arguments: dict[str, Any] = dict(filters)
        return filtering.build(layer, status, **arguments, properties=properties)

    def version(self, catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
        return postgis.tile_version(catalog, layer, status)

    async def render(
        self, database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, tile: Tile, *, drawing: Drawing
    ) -> bytes:
        filtering.check_rows(layer, drawing.where)
        try:
            if drawing.points is None:
                return await postgis.render(
                    database,
                    catalog,
                    layer,
                    status,
                    tile,
                    where=drawing.where,
                    features_from=drawing.features_from,
                    fits=drawing.fits,
                    few=drawing.few,
                )
            if not postgis.may_hold(layer, status, tile):
                return b""
            plan = lower_plan(status.plan, drawing.features_from)
            return await draw(drawing.points, Subject(catalog.recipes, layer, plan, status.geometry_type), tile)
        except _WRONG as error:
            log.exception("Layer %s: the recipe tiles/%s.sql failed", layer.id, layer.kind)
            detail = f"The recipe behind layer {layer.id} failed; the server's log says why."
            raise UnavailableError(detail, retry_after=30) from error
