"""Where a layer's tiles come from: rows by a recipe, or a kind that a module here names, found by being here.

Everything above (HTTP, cache, `geoserver tiles build`) treats them alike. A new kind is a module with `KIND`, the word
for it in layer files, `RULES`, what these may say, and `SOURCE`, a `RowlessSource`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from geoserver.catalog.rowless import read_kinds
from geoserver.errors import BadParameterError
from geoserver.tiling.sources.base import VECTOR, Drawing, RowlessSource, TileContent, TileSource
from geoserver.tiling.sources.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.model import Layer, Tile
    from geoserver.tiling.cells import Cells

__all__ = [
    "VECTOR",
    "RowlessSource",
    "TileContent",
    "TileSource",
    "list_layers",
    "parse_question",
    "render",
    "rowless_source_of",
    "source_of",
    "tile_content",
    "tile_version",
]

_ROWS = Rows()


def source_of(layer: Layer) -> TileSource:
    """The source of a layer's tiles, by its kind; every kind that no module names is a recipe."""
    return _ROWS if layer.has_rows else rowless_source_of(layer)


def rowless_source_of(layer: Layer) -> RowlessSource:
    """That of a layer without rows."""
    source: RowlessSource = read_kinds()[layer.kind].SOURCE
    return source


def list_layers(layer: Layer, status: LayerStatus) -> list[dict[str, Any]] | None:
    """The layers in a layer's tiles where their source tells them, as TileJSON has them."""
    return None if layer.has_rows else rowless_source_of(layer).list_layers(status)


def tile_content(layers: Sequence[tuple[Layer, LayerStatus]]) -> TileContent:
    """What the tiles of these layers together are; raises BadParameterError where they cannot be one tile."""
    found = [source_of(layer).content(status) for layer, status in layers]
    if len(layers) > 1 and not (found[0].joinable and len(set(found)) == 1):
        ids = ",".join(layer.id for layer, _ in layers)
        raise BadParameterError("layers", ids, "one layer, or several of vector tiles")
    return found[0]


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
    drawing = Drawing(where, own if features_from is None else min(own, features_from), points, fits, few)
    return await source_of(layer).render(database, catalog, layer, status, tile, drawing=drawing)


def tile_version(catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
    """A short text that changes when any tile of the layer may: with a load, its fields or its recipe; with an
    archive's file; with a function's declaration, and for a function every `max_age` seconds.

    An edit in place leaves it as it is: that touches few tiles, and the notice of the change says which.
    """
    return source_of(layer).version(catalog, layer, status)
