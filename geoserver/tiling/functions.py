"""Tiles that a SQL function makes: `name(z integer, x integer, y integer, params jsonb) RETURNS bytea`."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Composed, Identifier
from psycopg.types.numeric import Int4

from geoserver.errors import BadParameterError, OvertakenError, UnavailableError
from geoserver.filtering import Where
from geoserver.grid import intersects, tile_bounds
from geoserver.model import Tile
from geoserver.parameters import canonical_json, parse_parameters
from geoserver.tiling.recipes import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.database.pool import Database
    from geoserver.model import Layer

__all__ = ["check_function", "depends_on", "parse_question", "render"]

log = logging.getLogger("geoserver")

SIGNATURE = "(z integer, x integer, y integer, params jsonb)"
_MARGIN = 128 / 4096  # of a tile's width: twice the buffer of our own recipes
_READ_ONLY = SQL("SET TRANSACTION READ ONLY")
# What a function says by RAISE, or stumbles over in the values that it was given.
_REFUSED = (psycopg.errors.RaiseException, psycopg.DataError)
_FIND = SQL(
    "SELECT pg_get_function_identity_arguments(p.oid) AS takes, pg_get_function_result(p.oid) AS gives,"
    " oidvectortypes(p.proargtypes) = 'integer, integer, integer, jsonb' AS fits"
    " FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace"
    " WHERE n.nspname = %(schema)s AND p.proname = %(name)s ORDER BY fits DESC, p.oid"
)


def parse_question(layer: Layer, given: dict[str, str]) -> Where:
    """The parameters of a request as one jsonb value; raises BadParameterError."""
    values = parse_parameters(layer.parameters, given)
    text = canonical_json(values)
    return Where(params={"params": text}, canonical=text if values else "")


async def render(database: Database, layer: Layer, tile: Tile, where: Where) -> bytes:
    """The tile that the function makes, in a transaction that can only read, within the statement timeout.

    Raises UnavailableError, and BadParameterError when the function itself refuses the parameters.
    """
    if not layer.minzoom <= tile.z <= layer.maxzoom:
        return b""
    if layer.bounds and not intersects(layer.bounds, tile_bounds(tile, margin=_MARGIN)):
        return b""
    try:
        async with database.connection() as connection, connection.transaction():
            await connection.execute(_READ_ONLY)
            cursor = connection.cursor(binary=True)
            with _explained(layer, where):
                await cursor.execute(_build_call(layer), _build_values(tile, where))
            row = await cursor.fetchone()
    except (psycopg.Error, OvertakenError) as error:
        raise _failed(layer, error.__cause__ or error) from error
    found = row[0] if row else None
    if not isinstance(found, bytes | None):
        raise _failed(layer, TypeError(f"it gave {type(found).__name__}, not bytea"))
    return found or b""


@contextlib.contextmanager
def _explained(layer: Layer, where: Where) -> Iterator[None]:
    """What the function says or stumbles over, before the connection takes it for the fault of a filter."""
    try:
        yield
    except _REFUSED as error:
        if not layer.parameters:
            raise _failed(layer, error) from error
        said = error.diag.message_primary or "other values"
        raise BadParameterError("parameters", where.canonical, f"values that {layer.source} takes: {said}") from error
    except psycopg.errors.InternalError_ as error:
        raise _failed(layer, error) from error


def depends_on(layer: Layer) -> tuple[object, ...]:
    """What is declared about the layer that its tiles follow from."""
    box = layer.bounds.as_list() if layer.bounds else []
    return layer.id, layer.source, layer.minzoom, layer.maxzoom, box, sorted(layer.parameters)


def check_function(connection: psycopg.Connection, layer: Layer) -> str:
    """What is wrong with the layer's function, empty when it runs; it is called for one tile, and rolled back."""
    schema, name = layer.source.split(".")
    rows = connection.execute(_FIND, {"schema": schema, "name": name}).fetchall()
    if not rows:
        return f"a function {layer.source}{SIGNATURE} in the database; there is none"
    takes, gives, fits = rows[0]
    if not fits:
        return f"a function {layer.source}{SIGNATURE}; it takes ({takes})"
    if gives != "bytea":
        return f"a function that returns bytea; {layer.source} returns {gives}"
    where = parse_question(layer, {})
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(_READ_ONLY)
            connection.execute(_build_call(layer), _build_values(_middle_tile(layer), where))
    except psycopg.Error as error:
        return f"{layer.source} to run: {' '.join(str(error).split())}"
    return ""


def _middle_tile(layer: Layer) -> Tile:
    """A tile of the layer's lowest zoom."""
    zoom = layer.minzoom
    last = (1 << zoom) - 1
    tiles = (Tile(zoom, x, last // 2) for x in range(last + 1)) if zoom < 6 else iter(())  # noqa: PLR2004 - 64 columns
    fitting = (tile for tile in tiles if layer.bounds is None or intersects(layer.bounds, tile_bounds(tile)))
    return next(fitting, Tile(zoom, last // 2, last // 2))


def _build_call(layer: Layer) -> Composed:
    schema, name = layer.source.split(".")
    return SQL("SELECT {}(%(z)s, %(x)s, %(y)s, %(params)s::jsonb)").format(escape(Identifier(schema, name)))


def _build_values(tile: Tile, where: Where) -> dict[str, object]:
    return {"z": Int4(tile.z), "x": Int4(tile.x), "y": Int4(tile.y), **where.params}


def _failed(layer: Layer, error: BaseException) -> UnavailableError:
    log.warning("Layer %s: function %s failed: %s", layer.id, layer.source, " ".join(str(error).split()))
    return UnavailableError(f"The function behind layer {layer.id} failed; the server's log says why.", retry_after=30)
