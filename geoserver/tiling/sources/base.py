"""What a source of tiles is: how a request is read, what its tiles depend on and are, and how one is made."""

# ruff: noqa: ARG002 - what most sources answer alike needs little of what it is given

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from geoserver.errors import BadParameterError
from geoserver.filtering import Where

if TYPE_CHECKING:
    from collections.abc import Mapping

    import psycopg

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Bounds, Layer, Tile
    from geoserver.tiling.cells import Cells

__all__ = ["VECTOR", "Drawing", "RowlessSource", "TileContent", "TileSource", "build_common", "digest", "spoken"]


@dataclass(frozen=True, slots=True)
class TileContent:
    """What the bytes of a tile are."""

    media_type: str
    endings: tuple[str, ...]  # of its address; the first is the one that is told
    joinable: bool = False  # tiles of several layers in a row are one tile
    shrinks: bool = True  # when it is compressed


VECTOR = TileContent("application/vnd.mapbox-vector-tile", ("mvt", "pbf"), joinable=True)


@dataclass(frozen=True, slots=True)
class Drawing:
    """What of a layer is to be drawn, as features from which zoom on, and the `points` themselves if in memory.

    `fits`: all features do from that zoom on. `few`: they are few of the layer.
    """

    where: Where
    features_from: int
    points: Cells | None = None
    fits: bool = False
    few: bool = False


class TileSource(Protocol):
    """One way to get tiles."""

    needs_database: bool

    def content(self, status: LayerStatus) -> TileContent:
        """What its tiles are."""

    def parse(
        self, layer: Layer, status: LayerStatus, filters: Mapping[str, str], properties: Mapping[str, str]
    ) -> Where:
        """What a request asks for; `canonical` is equal for equal questions. Raises BadParameterError."""

    def version(self, catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
        """A short text that changes when any tile may have changed, but for edits of rows in place."""

    async def render(
        self, database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, tile: Tile, *, drawing: Drawing
    ) -> bytes:
        """The layer's part of a tile, not compressed, `b""` when it holds nothing; raises UnavailableError."""


class RowlessSource:
    """Tiles that come from no table: `open`, `version` and `render` are a source's own, the rest is what most say."""

    needs_database = False
    pictures = False  # its tiles are pictures of 256 pixels, not vector tiles; `content` says of which kind

    def open(self, layer: Layer) -> tuple[Layer, LayerStatus]:
        """The layer, its zooms narrowed to those there are, and its state; raises CatalogError."""
        raise NotImplementedError

    def version(self, catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
        """As of every source."""
        raise NotImplementedError

    async def render(
        self, database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, tile: Tile, *, drawing: Drawing
    ) -> bytes:
        """As of every source."""
        raise NotImplementedError

    def sign(self, layer: Layer) -> object:
        """What differs when the layer must be opened again, though its file stayed; raises OSError."""
        return None

    def is_over(self, layer: Layer, status: LayerStatus) -> bool:
        """Whether its tiles hold no longer, though nothing tells that they changed."""
        return False

    def follows_from(self, catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
        """What the tiles of an archive that is built from it follow from, where `version` moves with time alone."""
        return self.version(catalog, layer, status)

    def check(self, connection: psycopg.Connection, layer: Layer) -> str:
        """What the database shows to be wrong with the layer's source; empty when nothing is."""
        return ""

    def content(self, status: LayerStatus) -> TileContent:
        return VECTOR

    def list_layers(self, status: LayerStatus) -> list[dict[str, Any]] | None:
        """The layers in its tiles, as TileJSON has them; None for one of the layer's own name."""
        return None

    def parse(
        self, layer: Layer, status: LayerStatus, filters: Mapping[str, str], properties: Mapping[str, str]
    ) -> Where:
        for name, text in [*spoken(filters).items(), *properties.items()]:
            raise BadParameterError(
                name, text, f"no filter: the tiles of {layer.id} are ready-made and stay as they are"
            )
        return Where()


def build_common(layer: Layer, version: int, since: float, bounds: Bounds | None) -> dict[str, Any]:
    """What the status of every layer without rows says alike; `since` is in seconds since 1970."""
    return {
        "id": layer.id,
        "version": version,
        "rows": 0,
        "rejected": 0,
        "readings": 0,
        "bounds": bounds,
        "srid": 4326,
        "geometry_type": "",
        "loaded_at": datetime.fromtimestamp(since, UTC),
        "seconds": 0.0,
    }


def spoken(filters: Mapping[str, str]) -> dict[str, str]:
    """Parameters that say something, by the names that requests know them by."""
    return {name.replace("_", "-"): text for name, text in filters.items() if text.strip()}


def digest(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=9).hexdigest()
