"""Which statements make a layer's part of a tile, by its plan: whole features, bins of the others, or both."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL, Composed
from psycopg.types.numeric import Float8, Int4

from geoserver.grid import MAX_ZOOM, most_cells
from geoserver.model import BINS, ZoomPlan
from geoserver.tiling.bins import CountedTables, Subject, build_bins, find_bins
from geoserver.tiling.recipes import build_statement, pixel_metres

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from geoserver.filtering import Where
    from geoserver.model import Layer, Tile

__all__ = ["BUDGET", "build_statements", "build_values", "list_steps", "recipe_digest"]

BUDGET = 500_000  # bytes of a layer's part of a tile, before it is compressed

type Statement = tuple[Composed, dict[str, Any]]


def build_values(tile: Tile) -> dict[str, object]:
    """The values that a recipe may use; of fixed types, for a statement is prepared for every combination of types."""
    return {"z": Int4(tile.z), "x": Int4(tile.x), "y": Int4(tile.y), "pixel": Float8(pixel_metres(tile.z))}


def list_steps(subject: Subject, zoom: int) -> Iterator[ZoomPlan | None]:
    """What a tile may hold, the best first: all features (None), or some and bins, down to one bin for all of them.

    The first that fits the budget is the tile. A kind without bins has its features alone, however many.
    """
    plan, cells = subject.plan, most_cells(zoom)
    if zoom >= plan.features_from or not find_bins(subject.recipes[subject.layer.kind]):
        yield None
    else:
        yield plan.zooms[zoom]
        cells = plan.zooms[zoom].cells if plan.zooms[zoom].shown >= 0 else plan.zooms[zoom].cells // 2
    while cells and subject.kind:
        yield ZoomPlan(-1, cells)
        cells //= 2


def build_statements(
    subject: Subject, tile: Tile, step: ZoomPlan | None, where: Where, tables: CountedTables | None = None
) -> list[Statement]:
    """Statements of which each gives one bytea, to be put in a row.

    `tables` names other tables than the layer's own.
    """
    statements: list[Statement] = []
    if step is None or step.shown >= 0:
        condition, values = where.sql, build_values(tile) | where.params
        if where.canonical and not subject.few:
            # Behind CASE no index fits the filter: the tile's own place is what narrows the rows down, and the planner,
            # who knows no place when it plans for all tiles, must not read half of the layer through another index.
            condition = SQL("CASE WHEN {} THEN TRUE END").format(condition)
        if step is not None:
            condition = SQL("visible_from <= %(shown)s AND ({})").format(condition)
            values["shown"] = Int4(step.shown)
        recipe = subject.recipes[subject.layer.kind]
        statements.append((build_statement(recipe, subject.layer, condition, tables.table if tables else ""), values))
    if step is not None and subject.kind:
        statements.append(build_bins(subject, tile, where, cells=step.cells, shown=step.shown, tables=tables))
    return statements


def recipe_digest(recipes: Mapping[str, str], layer: Layer) -> str:
    """Changes with all that tiles below `features_from` are made of, but for the rows themselves."""
    recipe = recipes[layer.kind]
    fields = layer.tile_fields if find_bins(recipe) != "points" else ()
    types = ",".join(f"{name}:{layer.fields[name].type}:{layer.tile_zooms.get(name, 0)}" for name in fields)
    cells = ",".join(str(most_cells(zoom)) for zoom in range(MAX_ZOOM))
    text = "\n".join([recipe, recipes.get(BINS, ""), layer.id, layer.time, types, cells])
    return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()
