"""What a source of tiles is: how a request is read, what its tiles depend on and are, and how one is made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from geoserver.filtering import Where

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer, Tile
    from geoserver.tiling.cells import Cells

__all__ = ["VECTOR", "TileContent", "TileSource", "View", "digest", "spoken"]


@dataclass(frozen=True, slots=True)
class TileContent:
    """What the bytes of a tile are."""

    media_type: str
    endings: tuple[str, ...]  # of its address; the first is the one that is told
    joinable: bool = False  # tiles of several layers in a row are one tile
    shrinks: bool = True  # when it is compressed


VECTOR = TileContent("application/vnd.mapbox-vector-tile", ("mvt", "pbf"), joinable=True)


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
        self, database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, tile: Tile, *, view: View
    ) -> bytes:
        """The layer's part of a tile, not compressed, `b""` when it holds nothing; raises UnavailableError."""


def spoken(filters: Mapping[str, str]) -> dict[str, str]:
    """Parameters that say something, by the names that requests know them by."""
    return {name.replace("_", "-"): text for name, text in filters.items() if text.strip()}


def digest(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=9).hexdigest()
