"""Where a layer's tiles come from: rows by a recipe, an archive of ready-made tiles, or a SQL function.

Each source says how a request's parameters are read, what its tiles depend on, and how one is made; everything above
(HTTP, cache, `geoserver tiles build`) treats them alike.
"""

# ruff: noqa: ARG002 - one protocol, of which no source needs everything

from __future__ import annotations

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import psycopg

from geoserver import filtering
from geoserver.errors import BadParameterError, UnavailableError
from geoserver.filtering import Where
from geoserver.tilesets import ArchiveStatus
from geoserver.tiling import functions, postgis
from geoserver.tiling.bins import Subject
from geoserver.tiling.drawing import draw
from geoserver.tiling.plans import lower_plan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer, Tile
    from geoserver.tiling.cells import Cells

__all__ = ["TileSource", "parse_question", "render", "source_of", "tile_version"]

log = logging.getLogger("geoserver")

# What a recipe comes to that is no SQL, or names what there is not.
_WRONG = (psycopg.ProgrammingError, KeyError, IndexError, ValueError)


@dataclass(frozen=True, slots=True)
class View:
    """What of a layer is to be seen, as features from which zoom on, and the `points` themselves if in memory.

    `fits`: all features do from that zoom on. `few`: they are few of the layer.
    """

    where: Where
    features_from: int
    points: Cells | None = None
    fits: bool = False
    few: bool = False


class TileSource(Protocol):
    """One way to get tiles."""

    def parse(
        self, layer: Layer, status: LayerStatus, filters: Mapping[str, str], properties: Mapping[str, str]
    ) -> Where:
        """What a request asks for; `canonical` is equal for equal questions. Raises BadParameterError."""

    def version(self, catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
        """A short text that changes when any tile may have changed, but for edits of rows in place."""

    async def render(
        self, database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, tile: Tile, *, view: View
    ) -> bytes:
        """The layer's part of a tile, not compressed, `b""` when it holds nothing; raises UnavailableError."""


class _Rows:
    """A recipe over the layer's table."""

    def parse(
        self, layer: Layer, status: LayerStatus, filters: Mapping[str, str], properties: Mapping[str, str]
    ) -> Where:
        # The names are those of `build`'s arguments, and it checks their values.
        return filtering.build(layer, status, **filters, properties=properties)

    def version(self, catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
        return postgis.tile_version(catalog, layer, status)

    async def render(
        self, database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, tile: Tile, *, view: View
    ) -> bytes:
        try:
            if view.points is None:
                return await postgis.render(
                    database,
                    catalog,
                    layer,
                    status,
                    tile,
                    where=view.where,
                    features_from=view.features_from,
                    fits=view.fits,
                    few=view.few,
                )
            if not postgis.may_hold(layer, status, tile):
                return b""
            plan = lower_plan(status.plan, view.features_from)
            return await draw(view.points, Subject(catalog.recipes, layer, plan, status.geometry_type), tile)
        except _WRONG as error:
            log.exception("Layer %s: the recipe tiles/%s.sql failed", layer.id, layer.kind)
            detail = f"The recipe behind layer {layer.id} failed; the server's log says why."
            raise UnavailableError(detail, retry_after=30) from error


class _Archive:
    """Ready-made tiles, handed on as they are."""

    def parse(
        self, layer: Layer, status: LayerStatus, filters: Mapping[str, str], properties: Mapping[str, str]
    ) -> Where:
        for name, text in [*_spoken(filters).items(), *properties.items()]:
            raise BadParameterError(
                name, text, f"no filter: the tiles of {layer.id} are ready-made and stay as they are"
            )
        return Where()

    def version(self, catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
        signature = status.archive.signature if isinstance(status, ArchiveStatus) else ()
        return _digest(layer.id, layer.minzoom, layer.maxzoom, signature)

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


class _Function:
    """A function in the database, with declared parameters."""

    def parse(
        self, layer: Layer, status: LayerStatus, filters: Mapping[str, str], properties: Mapping[str, str]
    ) -> Where:
        return functions.parse_question(layer, {**_spoken(filters), **properties})

    def version(self, catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
        return _digest(*functions.depends_on(layer), status.loaded_at)

    async def render(
        self, database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, tile: Tile, *, view: View
    ) -> bytes:
        return await functions.render(database, layer, tile, view.where)


_SOURCES: dict[str, TileSource] = {"tiles": _Archive(), "function": _Function()}
_ROWS = _Rows()


def source_of(layer: Layer) -> TileSource:
    """The source of a layer's tiles, by its kind; every kind that is not named here is a recipe."""
    return _SOURCES.get(layer.kind, _ROWS)


def parse_question(
    layer: Layer, status: LayerStatus, filters: Mapping[str, str], properties: Mapping[str, str]
) -> Where:
    """What a request asks of the layer; `filters` are arguments of `filtering.build` by name, `properties` the rest."""
    return source_of(layer).parse(layer, status, filters, properties)


async def render(
    database: Database,
    catalog: Catalog,
    layer: Layer,
    status: LayerStatus,
    tile: Tile,
    *,
    where: Where,
    features_from: int | None = None,
    points: Cells | None = None,
    fits: bool = False,
    few: bool = False,
) -> bytes:
    """The layer's part of a tile as Mapbox Vector Tile, `b""` when it holds nothing.

    It holds features from the zoom `features_from` on, or by the layer's own plan; `fits` says that the filter's plan
    begins no later, `few` that it leaves few rows. Made of `points` where they are all that the filter leaves.

    Raises UnavailableError when the database is away or too slow. Cancelling the task cancels the query.
    """
    own = status.plan.features_from
    view = View(where, own if features_from is None else min(own, features_from), points, fits, few)
    return await source_of(layer).render(database, catalog, layer, status, tile, view=view)


def tile_version(catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
    """A short text that changes when any tile of the layer may: with a load, its fields or its recipe; with an
    archive's file; with a function's declaration, and for a function every `max_age` seconds.

    An edit in place leaves it as it is: that touches few tiles, and the notice of the change says which.
    """
    return source_of(layer).version(catalog, layer, status)


def _spoken(filters: Mapping[str, str]) -> dict[str, str]:
    """Parameters that say something, by the names that requests know them by."""
    return {name.replace("_", "-"): text for name, text in filters.items() if text.strip()}


def _digest(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=9).hexdigest()
