"""One load of one layer, from the lock to the notice that its rows are new."""

from __future__ import annotations

import contextlib
import json
import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.sql import SQL, Identifier, Literal
from psycopg.types.json import Json

from geoserver import tiling
from geoserver.catalog import read_recipes
from geoserver.database.connecting import SettingsOf, connect
from geoserver.database.status import CHANNEL, write_declaration
from geoserver.errors import LoadError, PreparationError
from geoserver.loading.behind import prepare_behind
from geoserver.loading.faults import explain_fault
from geoserver.loading.features import FeatureLoader, find_layer_place, wanted_columns
from geoserver.loading.fingerprint import build_request, read_fingerprint
from geoserver.loading.keys import FidGiver
from geoserver.loading.limits import find_limits, is_limited
from geoserver.loading.losses import Figures, check_losses, write_notes
from geoserver.loading.readings import ReadingLoader, wanted_reading_columns
from geoserver.loading.rejects import Rejects
from geoserver.loading.report import PREPARING, LoadReport, Progress, ignore_progress
from geoserver.loading.staging import Staging, build_indexes, drop_leftovers
from geoserver.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.loading.limits import Limits
    from geoserver.loading.report import Notes
    from geoserver.model import Bounds, City, Layer

__all__ = ["load"]

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
            _connect(database_url) as turn,
            _connect(database_url) as connection,
            _connect(database_url, autocommit=True) as helper,
            closing(Rejects(layer.id)) as rejects,
        ):
            tell(0, None, "waiting")
            # Held until `turn` is closed: a second load of this layer waits.
            turn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"geoserver.load:{layer.id}"])
            fingerprint = read_fingerprint(layer)
            before = _read_before(connection, layer)
            drop_leftovers(connection, layer)
            if not force and before and fingerprint and before.fingerprint == fingerprint:
                report = LoadReport(layer.id, before.rows, before.rejected, readings=before.readings, skipped=True)
            else:
                accepting = force if accept_losses is None else accept_losses
                work = _Load(
                    connection, helper, layer, database_url, rejects, before, started, recipes, accepting=accepting
                )
                work.limits = find_limits(city, database_url) if city and is_limited(layer, city) else None
                report = work.run(fingerprint, tell)
            connection.commit()
            try:
                prepare_behind(connection, helper, layer, recipes, lambda _: tell(report.rows, report.rows, PREPARING))
            except Exception as error:
                why = explain_fault(error) if isinstance(error, psycopg.Error) else f"{type(error).__name__}: {error}"
                raise PreparationError(f"{layer.id}: {why}") from error
            return report if report.skipped else replace(report, seconds=time.monotonic() - started)
    except psycopg.Error as error:
        raise LoadError(f"{layer.id}: {explain_fault(error)}") from error


def _connect(url: str, *, autocommit: bool = False) -> psycopg.Connection:
    return connect(url, autocommit=autocommit, application="geoserver-load", settings=_SETTINGS)


@dataclass(frozen=True, slots=True)
class _Before:
    """What was loaded before."""

    rows: int
    rejected: int
    readings: int
    version: int
    fingerprint: str
    last_fid: int
    keyed: bool  # the old table has keys, and with them ids to be kept


def _read_before(connection: psycopg.Connection, layer: Layer) -> _Before | None:
    row = connection.execute(
        "SELECT l.rows, l.rejected, l.readings, l.version, l.fingerprint, l.last_fid, 2 = ("
        " SELECT count(*) FROM information_schema.columns AS c"
        " WHERE c.table_schema = 'layers' AND c.table_name = %(table)s AND c.column_name IN ('fid', 'source_key'))"
        " FROM geoserver.layers AS l WHERE l.id = %(id)s"
        " AND to_regclass(format('layers.%%I', %(table)s::text)) IS NOT NULL",
        {"id": layer.id, "table": layer.table},
    ).fetchone()
    return _Before(*row) if row else None


@dataclass(slots=True)
class _Load:
    connection: psycopg.Connection
    helper: psycopg.Connection
    layer: Layer
    database_url: str
    rejects: Rejects
    before: _Before | None
    started: float
    recipes: Mapping[str, str]
    accepting: bool = False  # whatever is lost
    limits: Limits | None = None

    def run(self, fingerprint: str, tell: Progress) -> LoadReport:
        """Put the rows into service; what fails leaves nothing behind."""
        try:
            return self._run(fingerprint, tell)
        except BaseException:
            with contextlib.suppress(psycopg.Error):  # the database may be what failed
                self.connection.rollback()
                drop_leftovers(self.connection, self.layer)
                self.connection.commit()
            raise

    def _run(self, fingerprint: str, tell: Progress) -> LoadReport:
        layer, before = self.layer, self.before
        opened = open_source(build_request(layer, self.database_url, wanted_columns(layer)))
        place = find_layer_place(self.connection, layer, opened)
        old = Identifier("layers", layer.table) if before and before.keyed and layer.key else None
        staging = Staging(self.connection, layer, place.srid)
        features = FeatureLoader(
            self.connection,
            layer,
            staging,
            place,
            # Ids go on from the highest ever given where keys hold on to them, and start again where there are none.
            FidGiver(self.connection, old, before.last_fid if before and old else 0),
            self.rejects,
            merge_keys=bool(layer.readings and layer.readings.source == layer.source),
            assumed=not (layer.crs or opened.crs),
            limits=self.limits,
        )
        with closing(staging):
            features.run(opened, tell)
        removed = features.make_keys_unique() if layer.key else 0
        rows = features.book.rows - removed
        figures = [
            Figures("rows", features.read, len(self.rejects), rows, before.rows if before else None, features.columns)
        ]
        loader = self._load_readings(features.staging, features.notes, tell)
        readings = loader.stored if loader else 0
        if loader:
            known = before.readings if before else None
            figures.append(Figures("readings", loader.read, loader.rejected, readings, known, loader.columns))
        if not self.accepting:
            check_losses(self.connection, layer, self.rejects, *figures)
        self.connection.commit()  # for the helper to see the rows; nobody else looks at them
        for _ in build_indexes((self.connection, self.helper), layer, f"{layer.table}__staging"):
            tell(rows, rows, "indexing")
        plan = self._look_ahead(staging, rows)
        bounds = self._read_bounds(features, removed=bool(removed))
        tell(rows, rows, "swapping")
        features.staging.swap()
        seconds = self._write_status(features, rows, readings, bounds, fingerprint=fingerprint, plan=plan)
        write_declaration(self.connection, layer)
        write_notes(self.connection, layer, features.notes, *(each.columns for each in figures))
        self.connection.commit()
        reasons, changed = dict(self.rejects.reasons), tuple(features.notes)
        served = time.monotonic() - self.started
        return LoadReport(
            layer.id, rows, len(self.rejects), reasons, seconds, readings, in_service=served, changed=changed
        )

    def _look_ahead(self, staging: Staging, rows: int) -> dict[str, Any]:
        """A first plan for tiles, and the triggers that follow edits: from the swap on they are right."""
        table = f"{self.layer.table}__staging"
        self.connection.execute(
            SQL("SELECT geoserver.follow_edits({}::regclass, {})").format(
                Literal(f'layers."{table}"'), Literal(self.layer.id)
            )
        )
        return tiling.look_ahead(
            self.connection,
            self.layer,
            self.recipes,
            geometry_type=staging.geometry_type.upper(),
            table=table,
            rows=rows,
        )

    def _load_readings(self, staging: Staging, notes: Notes, tell: Progress) -> ReadingLoader | None:
        readings = self.layer.readings
        if readings is None:
            return None
        opened = open_source(
            build_request(self.layer, self.database_url, wanted_reading_columns(readings), readings=readings)
        )
        loader = ReadingLoader(self.connection, self.layer, readings, staging.table, self.rejects, notes)
        loader.run(opened, tell)
        return loader

    def _read_bounds(self, features: FeatureLoader, *, removed: bool) -> Bounds | None:
        if removed:
            row = self.connection.execute(
                SQL(
                    "SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e)"
                    " FROM (SELECT ST_Extent(geom) AS e FROM {}) AS t"
                ).format(features.staging.table)
            ).fetchone()
            features.box[:] = row if row and row[0] is not None else features.box
        return features.place.read_bounds(features.box)

    def _write_status(
        self,
        features: FeatureLoader,
        rows: int,
        readings: int,
        bounds: Bounds | None,
        *,
        fingerprint: str,
        plan: dict[str, Any],
    ) -> float:
        layer = self.layer
        self.rejects.write(self.connection)
        self.connection.execute("DELETE FROM geoserver.edits WHERE xid = '0' AND layer = %s", [layer.id])
        edges = bounds.as_list() if bounds else [None] * 4
        seconds = time.monotonic() - self.started
        row = self.connection.execute(
            "INSERT INTO geoserver.layers AS l (id, version, rows, rejected, readings, west, south, east, north, srid,"
            " geometry_type, loaded_at, seconds, source, fingerprint, last_fid, plan, preparing)"
            " VALUES (%(id)s, 1, %(rows)s, %(rejected)s, %(readings)s, %(w)s, %(s)s, %(e)s, %(n)s, %(srid)s, %(type)s,"
            " clock_timestamp(), %(seconds)s, %(source)s, %(fingerprint)s, %(last)s, %(plan)s, 0)"
            " ON CONFLICT (id) DO UPDATE SET version = l.version + 1, rows = excluded.rows,"
            " rejected = excluded.rejected, readings = excluded.readings, west = excluded.west, south = excluded.south,"
            " east = excluded.east, north = excluded.north, srid = excluded.srid,"
            " geometry_type = excluded.geometry_type, loaded_at = excluded.loaded_at, seconds = excluded.seconds,"
            " source = excluded.source, fingerprint = excluded.fingerprint, plan = excluded.plan, pack = '',"
            " preparing = 0, prepare_seconds = 0,"
            " last_fid = greatest(l.last_fid, excluded.last_fid) RETURNING version",
            {
                **dict(zip(("w", "s", "e", "n"), edges, strict=True)),
                "id": layer.id,
                "rows": rows,
                "rejected": len(self.rejects),
                "readings": readings,
                "srid": features.place.srid,
                "type": features.staging.geometry_type.upper(),
                "seconds": seconds,
                "source": layer.source,
                "fingerprint": fingerprint,
                "last": features.fids.last,
                "plan": Json(plan),
            },
        ).fetchone()
        assert row is not None  # noqa: S101 - RETURNING gives the row that was written
        change = {"layer": layer.id, "version": row[0], "bounds": bounds.as_list() if bounds else None}
        self.connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, json.dumps(change)])
        return seconds
