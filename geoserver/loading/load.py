"""One load of one layer, from the lock to the notice that its rows are new."""

from __future__ import annotations

import contextlib
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Literal

from geoserver.catalog import read_recipes
from geoserver.database.connecting import SettingsOf, connect
from geoserver.errors import LoadError, PreparationError
from geoserver.loading.arrival import Arrival, read_before
from geoserver.loading.behind import prepare_behind
from geoserver.loading.faults import explain_fault
from geoserver.loading.features import wanted_columns
from geoserver.loading.fingerprint import build_request, read_fingerprint
from geoserver.loading.limits import find_limits, is_limited
from geoserver.loading.rejects import Rejects
from geoserver.loading.report import PREPARING, LoadReport, Progress, ignore_progress
from geoserver.loading.staging import Copier, drop_leftovers, swap
from geoserver.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geoserver.model import City, Layer

__all__ = ["clean_up", "connect_to_load", "explain_preparation", "load", "take_turn"]

_PATIENCE = "2s"  # for a turn that somebody else has, when there is only to be cleaned up
_SETTINGS = SettingsOf(client_connection_check_interval="2s")


def load(
    layer: Layer,
    database_url: str,
    *,
    progress: Progress | None = None,
    force: bool = False,
    accept_losses: bool | None = None,
    city: City | None = None,
    recipes: Mapping[str, str] | None = None,
) -> LoadReport:
    """Load a layer and its readings; without `force`, not again when neither files nor layer file have changed.

    Of `city` the limits count: rows outside of them are told of. `recipes` are those that its tiles are served by: a
    workspace's come before ours for the sample layers, too. Without them it is those beside the layer file, and ours.

    Raises LoadError when a source cannot be read, no row of it can be stored, or, without `accept_losses` (by default
    the same as `force`), much would be lost: the old rows then stay in service. Raises PreparationError when the new
    rows are in service, and their tiles could not be prepared.
    """
    tell = progress or ignore_progress
    recipes = read_recipes(layer.file.parent.parent) if recipes is None else recipes
    started = time.monotonic()
    try:
        with (
            connect_to_load(database_url) as turn,
            connect_to_load(database_url) as connection,
            connect_to_load(database_url, autocommit=True) as helper,
            closing(Rejects(layer.id)) as rejects,
            closing(Copier(connection)) as copier,
        ):
            tell(0, None, "waiting")
            take_turn(turn, layer)
            fingerprint = read_fingerprint(layer)
            before = read_before(connection, layer)
            drop_leftovers(connection, layer)
            if not force and before and fingerprint and before.fingerprint == fingerprint:
                report = before.as_report(layer)
            else:
                arrival = Arrival(copier, layer, database_url, rejects, before, started, recipes)
                arrival.limits = find_limits(city, database_url) if city and is_limited(layer, city) else None
                accepting = force if accept_losses is None else accept_losses
                report = _run(arrival, helper, fingerprint, tell, accepting=accepting)
            connection.commit()
            try:
                prepare_behind(connection, helper, layer, recipes, lambda _: tell(report.rows, report.rows, PREPARING))
            except Exception as error:
                raise PreparationError(explain_preparation(layer, error)) from error
            return report if report.skipped else replace(report, seconds=time.monotonic() - started)
    except psycopg.Error as error:
        raise LoadError(f"{layer.id}: {explain_fault(error)}") from error


def connect_to_load(url: str, *, autocommit: bool = False) -> psycopg.Connection:
    """A connection that soon notices when this process is gone."""
    return connect(url, autocommit=autocommit, application="geoserver-load", settings=_SETTINGS)


def take_turn(connection: psycopg.Connection, layer: Layer) -> None:
    """Wait until nobody else loads this layer; nobody does until the connection is closed."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"geoserver.load:{layer.id}"])


def clean_up(connection: psycopg.Connection, url: str, layers: Sequence[Layer]) -> None:
    """After a failure leave no rows that are not in service; where the database is away, to the next load."""
    try:
        connection.rollback()
        for layer in layers:
            drop_leftovers(connection, layer)
        connection.commit()
    except psycopg.Error:  # it was cut off, or the database is what failed, which may be back
        with contextlib.suppress(psycopg.Error), connect_to_load(url) as other:
            other.execute(SQL("SET LOCAL lock_timeout = {}").format(Literal(_PATIENCE)))
            for layer in layers:
                take_turn(other, layer)  # which somebody else may have by now
                drop_leftovers(other, layer)


def explain_preparation(layer: Layer, error: Exception) -> str:
    """Why tiles could not be prepared."""
    why = explain_fault(error) if isinstance(error, psycopg.Error) else f"{type(error).__name__}: {error}"
    return f"{layer.id}: {why}"


def _run(
    arrival: Arrival, helper: psycopg.Connection, fingerprint: str, tell: Progress, *, accepting: bool
) -> LoadReport:
    """Put the rows into service; what fails leaves nothing behind."""
    layer, connection = arrival.layer, arrival.connection
    try:
        opened = open_source(build_request(layer, arrival.database_url, wanted_columns(layer)))
        arrival.open(opened)
        arrival.features.run(opened, tell)
        arrival.complete(tell, accepting=accepting)
        connection.commit()  # for the helper to see the rows; nobody else looks at them
        arrival.index((connection, helper), tell)
        arrival.look_ahead(connection)
        tell(arrival.rows, arrival.rows, "swapping")
        swap(connection, [layer], arrival.database_url)
        report = arrival.put_into_service(fingerprint)
        connection.commit()
    except BaseException:
        arrival.copier.close()
        clean_up(connection, arrival.database_url, [layer])
        raise
    return replace(report, in_service=time.monotonic() - arrival.started)
