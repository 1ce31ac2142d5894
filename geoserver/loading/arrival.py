"""One layer on its way into service: its rows in a staging table, what came of them, and the swap."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from psycopg.sql import SQL, Identifier, Literal
from psycopg.types.json import Json

from geoserver import tiling
from geoserver.database.expiry import expires, remove_expired_from
from geoserver.database.status import CHANNEL, write_declaration
from geoserver.loading.features import FeatureLoader, find_layer_place, key_column
from geoserver.loading.fingerprint import build_request
from geoserver.loading.history import Done, write_load
from geoserver.loading.keys import FidGiver
from geoserver.loading.losses import Figures, check_losses, write_notes
from geoserver.loading.newcomers import write_newcomers
from geoserver.loading.readings import ReadingLoader, wanted_reading_columns
from geoserver.loading.report import LoadReport
from geoserver.loading.staging import Staging, build_indexes
from geoserver.sources import open_source
from geoserver.tiling import Prepared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import psycopg

    from geoserver.loading.limits import Limits
    from geoserver.loading.rejects import Rejects
    from geoserver.loading.report import Progress
    from geoserver.loading.staging import Copier
    from geoserver.model import Bounds, Layer
    from geoserver.sources import Opened

__all__ = ["EXPIRED", "Arrival", "Before", "read_before"]


EXPIRED = "expired already, left out"  # of rows


class _RowsToPlan(TypedDict):
    recipes: Mapping[str, str]
    geometry_type: str
    table: str


@dataclass(frozen=True, slots=True)
class Before:
    """What was loaded before."""

    rows: int
    rejected: int
    readings: int
    version: int
    fingerprint: str
    last_fid: int
    keyed: bool  # the old table has keys, and with them ids to be kept

    def as_report(self, layer: Layer) -> LoadReport:
        """That it stays as it is."""
        return LoadReport(layer.id, self.rows, self.rejected, readings=self.readings, skipped=True)


def read_before(connection: psycopg.Connection, layer: Layer) -> Before | None:
    """What is in service of a layer."""
    row = connection.execute(
        "SELECT s.rows, l.rejected, l.readings, s.version, l.fingerprint, s.last_fid, 2 = ("
        " SELECT count(*) FROM information_schema.columns AS c"
        " WHERE c.table_schema = 'layers' AND c.table_name = %(table)s AND c.column_name IN ('fid', 'source_key'))"
        " FROM geoserver.layers AS l JOIN geoserver.states AS s USING (id) WHERE l.id = %(id)s"
        " AND to_regclass(format('layers.%%I', %(table)s::text)) IS NOT NULL",
        {"id": layer.id, "table": layer.table},
    ).fetchone()
    return Before(*row) if row else None


@dataclass(slots=True)
class Arrival:
    """The steps of it, in this order: `open`, rows added to `features`, `complete`, `index`, and
    `look_ahead` or `prepare`, then the swap and `put_into_service`."""

    copier: Copier
    layer: Layer
    database_url: str
    rejects: Rejects
    before: Before | None
    started: float
    recipes: Mapping[str, str]
    limits: Limits | None = None
    multi: bool = False  # geometries of several parts are expected
    features: FeatureLoader = field(init=False)
    rows: int = 0
    readings: int = 0
    _figures: list[Figures] = field(default_factory=list)
    _bounds: Bounds | None = None
    _prepared: Prepared = field(default_factory=lambda: Prepared({}))
    _preparing: int | None = 0  # the share of the tiles' preparation that is done; None: all

    @property
    def connection(self) -> psycopg.Connection:
        return self.copier.connection

    @property
    def table(self) -> str:
        """The staging table's name."""
        return f"{self.layer.table}__staging"

    def open(self, opened: Opened) -> None:
        """Prepare for rows of a source."""
        layer, before = self.layer, self.before
        place = find_layer_place(self.connection, layer, opened)
        old = Identifier("layers", layer.table) if before and before.keyed and layer.key else None
        self.features = FeatureLoader(
            self.connection,
            layer,
            Staging(self.copier, layer, place.srid),
            place,
            # Ids go on from the highest ever given where keys hold on to them, and start anew where there are none.
            FidGiver(self.connection, old, before.last_fid if before and old else 0),
            self.rejects,
            multi=self.multi,
            merge_keys=bool(layer.readings and layer.readings.source == layer.source),
            assumed=not (layer.crs or opened.crs),
            limits=self.limits,
        )
        self.features.columns.open(opened)

    def complete(self, tell: Progress, *, accepting: bool) -> None:
        """After the last row: keys, readings, the extent. Raises LoadError where too much would be lost.

        Unless `accepting` whatever is lost.
        """
        features, before = self.features, self.before
        removed = features.make_keys_unique() if self.layer.key else 0
        self.rows = features.book.rows - removed
        known = before.rows if before and not expires(self.layer) else None  # rows of a live layer come and go
        self._figures = [
            Figures("rows", features.read, len(self.rejects), self.rows, known, features.columns),
            *self._load_readings(tell),
        ]
        if not accepting:
            check_losses(self.connection, self.layer, self.rejects, *self._figures)
        expired = 0
        if expires(self.layer):
            expired = remove_expired_from(self.connection, self.layer, features.staging.table)
            self.rows -= expired
            features.notes.add(EXPIRED, expired)
        self._bounds = self._read_bounds(removed=bool(removed or expired))

    def _load_readings(self, tell: Progress) -> list[Figures]:
        readings = self.layer.readings
        if readings is None:
            return []
        opened = open_source(
            build_request(self.layer, self.database_url, wanted_reading_columns(readings), readings=readings)
        )
        features = self.features
        loader = ReadingLoader(
            self.connection, self.layer, readings, features.staging.table, self.rejects, features.notes
        )
        loader.run(opened, tell)
        self.readings = loader.stored
        known = self.before.readings if self.before else None
        return [Figures("readings", loader.read, loader.rejected, loader.stored, known, loader.columns)]

    def _read_bounds(self, *, removed: bool) -> Bounds | None:
        features = self.features
        if removed:
            row = self.connection.execute(
                SQL(
                    "SELECT ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e)"
                    " FROM (SELECT ST_Extent(geom) AS e FROM {}) AS t"
                ).format(features.staging.table)
            ).fetchone()
            features.box[:] = row if row and row[0] is not None else features.box
        return features.place.read_bounds(features.box)

    def index(self, connections: Sequence[psycopg.Connection], tell: Progress) -> None:
        """Indexes, by all of the connections, and triggers that follow edits, by the first.

        The rows have to be committed, for the others to see them.
        """
        for _ in build_indexes(connections, self.layer, self.table):
            tell(self.rows, self.rows, "indexing")
        connections[0].execute(
            SQL("ALTER TABLE {} ALTER COLUMN fid RESTART WITH {}").format(
                Identifier("layers", self.table), Literal(self.features.fids.last + 1)
            )
        )
        place = f'layers."{self.table}"'
        connections[0].execute("SELECT geoserver.follow_edits(%s::regclass, %s)", [place, self.layer.id])
        if self.layer.key:
            fields = (each for each in self.layer.fields.values() if not each.latest)
            field = next((each.name for each in fields if each.source_column == key_column(self.layer)), None)
            connections[0].execute("SELECT geoserver.keep_keys(%s::regclass, %s)", [place, field])

    def look_ahead(self, connection: psycopg.Connection) -> None:
        """A first plan for tiles: from the swap on they are right."""
        self._prepared = Prepared(tiling.look_ahead(connection, self.layer, rows=self.rows, **self._rows_to_plan()))
        self._preparing = 0

    def prepare(self, connection: psycopg.Connection) -> None:
        """The last plan for tiles, and what is made ahead for them: the swap puts it into service with the rows.

        Not for a layer with a choice field, whose values are numbered anew while the old rows are still served.
        """
        self._prepared = tiling.prepare(connection, self.layer, suffix="__staging", **self._rows_to_plan())
        self._preparing = None

    def _rows_to_plan(self) -> _RowsToPlan:
        return {
            "recipes": self.recipes,
            "geometry_type": self.features.staging.geometry_type.upper(),
            "table": self.table,
        }

    def put_into_service(self, fingerprint: str) -> LoadReport:
        """What is kept and told of rows that were just swapped in, in the same transaction."""
        seconds = self._write_status(fingerprint)
        write_declaration(self.connection, self.layer)
        notes = self.features.notes
        write_notes(self.connection, self.layer, notes, *(each.columns for each in self._figures))
        write_newcomers(self.connection, self.layer, self._last_known())
        write_load(self.connection, self.layer, Done(self.features.read, notes, self.rejects.reasons))
        return LoadReport(
            self.layer.id,
            self.rows,
            len(self.rejects),
            dict(self.rejects.reasons),
            seconds,
            self.readings,
            in_service=seconds,
            changed=tuple(notes),
        )

    def _last_known(self) -> int | None:
        """The highest id that was given before, if rows kept theirs."""
        return self.before.last_fid if self.before and self.features.fids.old else None

    def _write_status(self, fingerprint: str) -> float:
        layer, features, bounds = self.layer, self.features, self._bounds
        self.rejects.write(self.connection)
        # What was noted of the rows before ends here, but for the number of the notes, which goes on in the version.
        noted = self.connection.execute(
            "WITH gone AS (DELETE FROM geoserver.edits WHERE layer = %s RETURNING last_fid)"
            " SELECT count(*), max(last_fid) FROM gone",
            [layer.id],
        ).fetchone()
        notes, last = noted or (0, None)
        edges = bounds.as_list() if bounds else [None] * 4
        seconds = time.monotonic() - self.started
        row = self.connection.execute(
            "INSERT INTO geoserver.layers AS l (id, version, rows, rejected, readings, west, south, east, north, srid,"
            " geometry_type, loaded_at, seconds, source, fingerprint, last_fid, plan, preparing, prepare_seconds)"
            " VALUES (%(id)s, 1, %(rows)s, %(rejected)s, %(readings)s, %(w)s, %(s)s, %(e)s, %(n)s, %(srid)s, %(type)s,"
            " clock_timestamp(), %(seconds)s, %(source)s, %(fingerprint)s, %(last)s, %(plan)s,"
            " %(preparing)s, %(prepare_seconds)s)"
            " ON CONFLICT (id) DO UPDATE SET version = l.version + %(notes)s + 1, rows = excluded.rows,"
            " rejected = excluded.rejected, readings = excluded.readings, west = excluded.west, south = excluded.south,"
            " east = excluded.east, north = excluded.north, srid = excluded.srid,"
            " geometry_type = excluded.geometry_type, loaded_at = excluded.loaded_at, seconds = excluded.seconds,"
            " source = excluded.source, fingerprint = excluded.fingerprint, plan = excluded.plan,"
            " preparing = excluded.preparing, prepare_seconds = excluded.prepare_seconds,"
            " last_fid = greatest(l.last_fid, excluded.last_fid) RETURNING version",
            {
                **dict(zip(("w", "s", "e", "n"), edges, strict=True)),
                "id": layer.id,
                "rows": self.rows,
                "rejected": len(self.rejects),
                "readings": self.readings,
                "srid": features.place.srid,
                "type": features.staging.geometry_type.upper(),
                "seconds": seconds,
                "source": layer.source,
                "fingerprint": fingerprint,
                "last": max(features.fids.last, last or 0),
                "notes": notes,
                "plan": Json(self._prepared.plan),
                "preparing": self._preparing,
                "prepare_seconds": self._prepared.seconds,
            },
        ).fetchone()
        assert row is not None  # noqa: S101 - RETURNING gives the row that was written
        change = {"layer": layer.id, "version": row[0], "bounds": bounds.as_list() if bounds else None}
        self.connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, json.dumps(change)])
        return seconds
