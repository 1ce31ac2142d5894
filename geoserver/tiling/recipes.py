"""Recipes: the SQL texts in `tiles/`, one per kind of tile, and the statement that one makes for a layer.

How a recipe is written stands at the top of `tiles/points.sql`.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, LiteralString

from psycopg.sql import SQL, Composed, Identifier, Literal

from geoserver.fieldtypes import FIELD_TYPES
from geoserver.grid import MERCATOR_HALF

if TYPE_CHECKING:
    from psycopg.sql import Composable

    from geoserver.model import Field, Layer

__all__ = ["PIXELS", "build_statement", "build_value", "pixel_metres", "plain_recipe"]

PIXELS = 512  # CSS pixels across a tile, as MapLibre draws vector tiles
_COMMENT = re.compile(r"^\s*--.*$\n?", re.MULTILINE)


def pixel_metres(zoom: int) -> float:
    """Metres of EPSG:3857 under one CSS pixel at this zoom."""
    return 2 * MERCATOR_HALF / (PIXELS << zoom)


def build_statement(recipe: str, layer: Layer, where: Composable, table: str = "") -> Composed:
    """The recipe with the layer's table, columns and filter; raises KeyError for an unknown placeholder.

    `table` names another table than the layer's own.
    """
    return SQL(plain_recipe(recipe)).format(
        table=Identifier("layers", table or layer.table),
        columns=SQL("").join(SQL(", ") + _build_column(layer, layer.fields[name]) for name in layer.tile_fields),
        names=SQL("").join(SQL(", {}").format(Identifier(name)) for name in layer.tile_fields),
        layer=Literal(layer.id),
        where=where,
    )


@functools.lru_cache(maxsize=64)
def plain_recipe(recipe: str) -> LiteralString:
    """The recipe without comments; they would travel with every statement, and may hold braces and percent signs."""
    return _COMMENT.sub("", recipe).strip()


def _build_column(layer: Layer, field: Field) -> Composable:
    """A property of a tile with its name; nothing below the zoom from which tiles carry it."""
    name, text = Identifier(field.name), build_value(field)
    if zoom := layer.tile_zooms.get(field.name):
        return SQL("CASE WHEN %(z)s >= {} THEN {} END AS {}").format(Literal(zoom), text, name)
    return text + SQL(" AS ") + name if FIELD_TYPES[field.type].tile else name


def build_value(field: Field) -> Composable:
    """A field as a tile holds it."""
    return SQL(FIELD_TYPES[field.type].tile or "{0}").format(Identifier(field.name))


def escape(part: Composable) -> Composable:
    """A name or value out of data, for a statement that is run with parameters: a percent sign would begin one."""
    return SQL(part.as_string(None).replace("%", "%%"))
