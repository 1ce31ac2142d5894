"""`kind = "function"`: tiles that a SQL function makes."""

# ruff: noqa: ARG002 - no source needs all that it is given

from __future__ import annotations

import re
import time
import zlib
from typing import TYPE_CHECKING

from geoserver.catalog.rowless import OF_ROWS, Rules
from geoserver.database.status import LayerStatus
from geoserver.errors import CatalogError
from geoserver.tiling import functions
from geoserver.tiling.sources.base import RowlessSource, build_common, digest, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import psycopg

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.filtering import Where
    from geoserver.model import Layer, Tile
    from geoserver.tiling.sources.base import Drawing

__all__ = ["KIND", "RULES", "SOURCE"]

_FUNCTION = re.compile(r"[^.\0]{1,63}\.[^.\0]{1,63}")


class Function(RowlessSource):
    """A function in the database, with declared parameters."""

    needs_database = True

    def open(self, layer: Layer) -> tuple[Layer, LayerStatus]:
        since = _period_of(layer)
        return layer, LayerStatus(**build_common(layer, since, since, layer.bounds))

    def is_over(self, layer: Layer, status: LayerStatus) -> bool:
        return _period_of(layer) != status.version

    def check(self, connection: psycopg.Connection, layer: Layer) -> str:
        return functions.check_function(connection, layer)

    def parse(
        self, layer: Layer, status: LayerStatus, filters: Mapping[str, str], properties: Mapping[str, str]
    ) -> Where:
        return functions.parse_question(layer, {**spoken(filters), **properties})

    def version(self, catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
        return digest(*functions.depends_on(layer), status.loaded_at)

    def follows_from(self, catalog: Catalog, layer: Layer, status: LayerStatus) -> str:
        return repr(functions.depends_on(layer))

    async def render(
        self, database: Database, catalog: Catalog, layer: Layer, status: LayerStatus, tile: Tile, *, drawing: Drawing
    ) -> bytes:
        return await functions.render(database, layer, tile, drawing.where)


def _period_of(layer: Layer) -> int:
    """When the current period of `max_age` seconds began, in seconds since 1970.

    Each layer has its own start times, so that not all change at once; they are the same in every process.
    """
    shift = zlib.crc32(layer.id.encode()) % layer.max_age
    return (int(time.time()) + shift) // layer.max_age * layer.max_age - shift


def _check(path: Path, layer: Layer) -> None:
    if not _FUNCTION.fullmatch(layer.source):
        raise CatalogError(str(path), "source", f"a function as schema.name; got {layer.source!r}")
    for name, item in layer.fields.items():
        if item.filter != "none":
            raise CatalogError(str(path), f"fields.{name}.filter", "none: a function's tiles cannot be filtered")
    if (box := layer.bounds) and not (-180 <= box.west < box.east <= 180 and -90 <= box.south < box.north <= 90):  # noqa: PLR2004 - degrees
        raise CatalogError(str(path), "bounds", f"[west, south, east, north] in degrees; got {box.as_list()}")


KIND = "function"
SOURCE = Function()
RULES = Rules(idle=OF_ROWS, why="it has no rows", check=_check)
