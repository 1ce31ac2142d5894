"""Proof that the recipes run: each is planned and run for every loaded layer that uses it, and for an empty table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg.rows import dict_row
from psycopg.sql import SQL, Composed, Identifier

from geoserver.catalog.styles import find_columns
from geoserver.database.connecting import SettingsOf, connect
from geoserver.database.fitting import fit
from geoserver.database.status import STATUS_QUERY, build_status
from geoserver.errors import CatalogError
from geoserver.fieldtypes import FIELD_TYPES
from geoserver.filtering import Where
from geoserver.model import BINS, Field, Layer, Tile, TilePlan
from geoserver.tiling.bins import Subject, build_bins
from geoserver.tiling.compose import build_values
from geoserver.tiling.recipes import build_statement
from geoserver.tiling.sources import rowless_source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geoserver.catalog import Catalog

__all__ = ["check"]

_STAND_IN = "recipe-check"  # its table lives only inside a transaction that is rolled back
_CREATE = SQL(
    "CREATE TABLE {table} (fid bigint PRIMARY KEY, source_key text, geom geometry, geom_3857 geometry(Geometry, 3857),"
    " visible_from smallint, {columns})"
)


def check(database_url: str, catalog: Catalog) -> list[CatalogError]:
    """One CatalogError per recipe or function that does not run, and per loaded layer for which it does not.

    Raises psycopg.OperationalError when the database is away.
    """
    with connect(database_url, settings=SettingsOf(statement_timeout="30s")) as connection:
        found = [
            CatalogError(str(layer.file), "", f"{change}; run: geoserver load {layer.id}")
            for layer, changes in _list_outdated(connection, catalog)
            for change in changes
        ]
        if found:
            return found  # recipes would stumble over the same
        found = [problem for name in sorted(catalog.recipes) for problem in _check_recipe(connection, name, catalog)]
        rowless = [layer for layer in catalog.layers.values() if not layer.has_rows]
        tried = {layer.file: rowless_source_of(layer).check(connection, layer) for layer in rowless}
        return found + [CatalogError(str(file), "source", problem) for file, problem in tried.items() if problem]


def _list_outdated(connection: psycopg.Connection, catalog: Catalog) -> Iterator[tuple[Layer, tuple[str, ...]]]:
    """Loaded layers whose files declare what is not loaded, and what."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(STATUS_QUERY).fetchall()
    for row in rows:
        if (layer := catalog.layers.get(row["id"])) and layer.has_rows:
            yield layer, fit(layer, build_status(row), catalog.recipes).changes


def _check_recipe(connection: psycopg.Connection, name: str, catalog: Catalog) -> list[CatalogError]:
    recipe = catalog.recipes[name]
    if problem := _try_recipe(connection, name, recipe):
        return [CatalogError(f"tiles/{name}.sql", "", problem)]
    layers = [layer for layer in catalog.layers.values() if layer.kind == name and _is_loaded(connection, layer)]
    tried = {layer.file: _try_layer(connection, recipe, layer) for layer in layers}
    return [
        CatalogError(str(file), "kind", f"tiles/{name}.sql to run on its rows: {problem}")
        for file, problem in tried.items()
        if problem
    ]


def _try_recipe(connection: psycopg.Connection, name: str, recipe: str) -> str:
    """What is wrong with the recipe on a table with a column of each type; empty when it runs."""
    layer = _build_stand_in(name)
    try:
        with connection.transaction(force_rollback=True):
            named = {name: it.column for name, it in FIELD_TYPES.items()} | _find_columns(recipe)
            columns = [SQL("{} {}").format(Identifier(name), SQL(column)) for name, column in named.items()]
            create = _CREATE.format(table=Identifier("layers", layer.table), columns=SQL(", ").join(columns))
            connection.execute(create)
            return _try_bins(connection, recipe, layer) if name == BINS else _try_layer(connection, recipe, layer)
    except psycopg.Error as error:
        return _explain(error)


def _find_columns(recipe: str) -> dict[str, LiteralString]:
    """Columns beside those that every stand-in has, by the names of their fields' types."""
    named = find_columns(recipe).items()
    return {name: it.column for name, kind in named for known, it in FIELD_TYPES.items() if known == kind}


def _build_stand_in(kind: str) -> Layer:
    fields: dict[str, Field] = {name: Field(name, name, name) for name in FIELD_TYPES}
    return Layer(
        id=_STAND_IN,
        title="",
        description="",
        theme="",
        license="",
        attribution="",
        source="",
        kind=kind,
        file=Path(),
        fields=fields,
        tile_fields=tuple(fields),
    )


def _is_loaded(connection: psycopg.Connection, layer: Layer) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [f'layers."{layer.table}"']).fetchone()
    return bool(row and row[0])


def _try_layer(connection: psycopg.Connection, recipe: str, layer: Layer) -> str:
    """What is wrong with the recipe for one tile of the layer."""
    return _try(connection, lambda: (build_statement(recipe, layer, SQL("TRUE")), build_values(Tile(0, 0, 0))))


def _try_bins(connection: psycopg.Connection, recipe: str, layer: Layer) -> str:
    """What is wrong with the recipe for the bins of polygons, which have every column that there is."""
    layer = replace(layer, kind="any")
    subject = Subject({BINS: recipe, "any": "-- bins: polygons"}, layer, TilePlan(facet="text"), "GEOMETRY")
    return _try(connection, lambda: build_bins(subject, Tile(0, 0, 0), Where(), cells=16))


def _try(connection: psycopg.Connection, build: Callable[[], tuple[Composed, dict[str, Any]]]) -> str:
    """Run a statement; the transaction is rolled back, whatever it did."""
    try:
        with connection.transaction(force_rollback=True):
            row = connection.execute(*build()).fetchone()
    except (psycopg.Error, KeyError, ValueError, IndexError) as error:
        return _explain(error)
    if row is None or len(row) != 1 or not isinstance(row[0], bytes | None):
        return "a SELECT of one bytea was expected"
    return ""


def _explain(error: Exception) -> str:
    if isinstance(error, KeyError):
        known = "{table}, {columns}, {names}, {where} and {layer}, and for bins {cells}, {counts} and {layer}"
        return f"no such placeholder: {{{error.args[0]}}}; there are {known}"
    return " ".join(str(error).split())
