"""The tables of a load, from the empty staging table to the swap.

Nobody reads a staging table; until the swap is committed, readers see the old rows. A load that fails removes it, and
the next load of the layer removes what one left that was killed.
"""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from geoserver.errors import LoadError
from geoserver.fieldtypes import FIELD_TYPES
from geoserver.loading.insisting import ending_readers
from geoserver.loading.searching import build_search_index, write_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from geoserver.model import Field, Layer

__all__ = ["Copier", "Staging", "build_indexes", "column_types", "drop_leftovers", "swap"]

_SINGLE = {"points": "Point", "lines": "LineString", "polygons": "Polygon"}
_LOCK_WAIT = "2s"  # how long the swap holds readers up while it waits for the last of the old ones
_SWAP_TRIES = 30
_PATIENCE = 12.0  # seconds; longer than a query of the server may take, so that only ever new ones are in the way
_BESIDE = ("__readings", "__packed", "__bins")  # ends of the names of tables that go with the layer's own


@dataclass(slots=True)
class Copier:
    """Sends rows over one connection, while the caller prepares the next ones. Before anything else uses it: `wait`."""

    connection: psycopg.Connection
    _writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "geoserver-copy"))
    _pending: Future[None] | None = None

    def send(self, statement: Composed, rows: memoryview) -> None:
        """Run a COPY FROM STDIN over rows in text format, once the one before has arrived."""
        self.wait()
        self._pending = self._writer.submit(copy_rows, self.connection, statement, rows)

    def wait(self) -> None:
        """Let the rows under way arrive; raises what went wrong with them."""
        pending, self._pending = self._pending, None
        if pending:
            pending.result()

    def close(self) -> None:
        """End the writing thread."""
        self._writer.shutdown()


@dataclass(slots=True)
class Staging:
    """A table being filled. `geometry_type` as PostGIS writes it: Point, MultiPolygon, Geometry."""

    copier: Copier
    layer: Layer
    srid: int
    geometry_type: str = ""

    @property
    def connection(self) -> psycopg.Connection:
        return self.copier.connection

    @property
    def table(self) -> Identifier:
        return Identifier("layers", f"{self.layer.table}__staging")

    @property
    def columns(self) -> list[str]:
        """In the order in which rows are copied; columns for the latest readings are filled later."""
        key = ["source_key"] if self.layer.key else []
        return ["fid", *key, *(item.name for item in self.layer.fields.values() if not item.latest), "geom"]

    def create(self, *, multi: bool) -> None:
        """Make the empty table."""
        single = _SINGLE.get(self.layer.geometry)
        self.geometry_type = "Geometry" if single is None else f"Multi{single}" if multi else single
        parts: list[Composable] = [SQL("fid bigint NOT NULL")]
        if self.layer.key:
            parts.append(SQL("source_key text NOT NULL"))
        parts += column_types(self.layer.fields.values())
        parts.append(SQL("geom geometry({}, {}) NOT NULL").format(SQL(self.geometry_type), Literal(self.srid)))
        parts += self._mercator_columns()
        # No vacuum gets in the way of the indexes; the table is analysed when it is complete.
        self.connection.execute(
            SQL("CREATE TABLE {} ({}) WITH (autovacuum_enabled = false)").format(self.table, SQL(", ").join(parts))
        )

    def _mercator_columns(self) -> list[Composed]:
        """The shape in Web Mercator and, of what has a size, the zoom from which it can be seen."""
        shape = SQL("geom_3857 geometry({}, 3857) GENERATED ALWAYS AS (geoserver.to_3857(geom)) STORED")
        columns = [shape.format(SQL(self.geometry_type))]
        if self.layer.geometry != "points":
            columns.append(
                SQL(
                    "visible_from smallint GENERATED ALWAYS AS (geoserver.visible_from(geoserver.to_3857(geom))) STORED"
                ).format()
            )
        return columns

    def promote(self) -> None:
        """Make the column one of multi-geometries, because such a one came after single ones."""
        if self.geometry_type.startswith("Multi") or not self.layer.geometry:
            return
        self.wait()
        self.geometry_type = f"Multi{self.geometry_type}"
        self.connection.execute(
            SQL("ALTER TABLE {} DROP COLUMN geom_3857, DROP COLUMN IF EXISTS visible_from").format(self.table)
        )
        self.connection.execute(
            SQL("ALTER TABLE {} ALTER COLUMN geom TYPE geometry({}, {}) USING ST_Multi(geom), {}").format(
                self.table,
                SQL(self.geometry_type),
                Literal(self.srid),
                SQL(", ").join(SQL("ADD COLUMN {}").format(column) for column in self._mercator_columns()),
            )
        )

    def copy(self, rows: memoryview) -> None:
        """Append rows in COPY's text format; frozen, because no one sees them before the commit."""
        statement = SQL("COPY {} ({}) FROM STDIN WITH (FREEZE)").format(
            self.table, SQL(", ").join(Identifier(name) for name in self.columns)
        )
        self.copier.send(statement, rows)

    def wait(self) -> None:
        """Let the rows under way arrive; raises what went wrong with them."""
        self.copier.wait()


def swap(connection: psycopg.Connection, layers: Sequence[Layer], url: str) -> None:
    """Put the staging tables in the old ones' place; waits for readers in short turns, so that none queues long. In the
    end it ends queries of servers at this address, which ask them again.

    All of them or none: between two turns no table is held. Raises LoadError when other programs hold on to a table.
    """
    statements = [statement for layer in layers for statement in _build_swap(connection, layer)]
    patient_until = time.monotonic() + _PATIENCE
    for left in reversed(range(_SWAP_TRIES)):
        patient = time.monotonic() < patient_until
        try:
            with contextlib.nullcontext() if patient else ending_readers(connection, url), connection.transaction():
                connection.execute(SQL("SET LOCAL lock_timeout = {}").format(Literal(_LOCK_WAIT)))
                for statement in statements:
                    connection.execute(statement)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if not left:
                names = ", ".join(layer.id for layer in layers)
                raise LoadError(f"{names}: a long query held on to the old rows; try again later") from None
            time.sleep(1)
        except psycopg.errors.DependentObjectsStillExist as error:
            raise LoadError(_explain_dependence(layers, error)) from error
        else:
            return


def _build_swap(connection: psycopg.Connection, layer: Layer) -> list[Composed]:
    name = layer.table
    tables = [name, *(name + suffix for suffix in _BESIDE)]
    gone = [Identifier("layers", table) for table in tables]
    statements = [SQL("DROP TABLE IF EXISTS {}").format(SQL(", ").join(gone))]
    for table in tables:
        if not _exists(connection, f"{table}__staging"):
            continue
        staged = Identifier("layers", f"{table}__staging")
        statements.append(SQL("ALTER TABLE {} RENAME TO {}").format(staged, Identifier(table)))
        statements += _rename_indexes(connection, f"{table}__staging", table)
    statements.append(SQL("ALTER TABLE {} RESET (autovacuum_enabled)").format(Identifier("layers", name)))
    if layer.basemap:  # its tiles are of many layers, each of which takes less than to start a second worker
        statements.append(SQL("ALTER TABLE {} SET (parallel_workers = 0)").format(Identifier("layers", name)))
    return statements


def _explain_dependence(layers: Sequence[Layer], error: psycopg.Error) -> str:
    detail = error.diag.message_detail or ""
    on = next((layer for layer in layers if f"{layer.table}" in detail), layers[0])
    return (
        f"{on.id}: other objects depend on the table layers.{on.table} and would break;"
        f" drop them first ({error.diag.message_detail})"
    )


def copy_rows(connection: psycopg.Connection, statement: Composed, rows: memoryview) -> None:
    """Run one COPY FROM STDIN over rows in text format."""
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for start in range(0, len(rows), 1 << 17):
            copy.write(rows[start : start + (1 << 17)])


def column_types(fields: Iterable[Field]) -> list[Composed]:
    """Column definitions of declared fields."""
    return [SQL("{} {}").format(Identifier(item.name), SQL(FIELD_TYPES[item.type].column)) for item in fields]


def build_indexes(connections: Sequence[psycopg.Connection], layer: Layer, table: str) -> Iterable[None]:
    """Primary key, both GiST indexes, one per filtered or time field, and one of what is searched; yields after each.

    On all connections at once. Each is committed. The table has to be, and nobody else may write to it. Two signs _ and
    a number make names that no other layer's table or field can have, and that are short.
    """
    where = Identifier("layers", table)
    gists = [("geom_3857", "gist"), ("geom", "gist")]
    trees = [(name, "btree") for name in indexed_fields(layer)]
    sizes = [("visible_from", "btree")] if layer.geometry != "points" else []
    key = Identifier(f"{table}__pk")
    jobs = [(f"{table}__{number}", name, method) for number, (name, method) in enumerate((*gists, *trees, *sizes))]
    free = list(connections)  # never more at work than there are: each takes one and puts it back

    def build(index: str, column: str, method: str) -> None:
        connection = free.pop()
        try:
            with connection.transaction():
                connection.execute(
                    SQL("CREATE INDEX {} ON {} USING {} ({})").format(
                        Identifier(index), where, SQL(method), Identifier(column)
                    )
                )
        except psycopg.errors.ProgramLimitExceeded:  # a text longer than a btree takes; a hash finds equal ones
            with connection.transaction():
                connection.execute(
                    SQL("CREATE INDEX {} ON {} USING hash ({})").format(Identifier(index), where, Identifier(column))
                )
        finally:
            free.append(connection)

    def build_whole(run: Callable[[psycopg.Connection], object]) -> None:
        connection = free.pop()
        try:
            with connection.transaction():
                run(connection)
        finally:
            free.append(connection)

    others: list[Callable[[psycopg.Connection], object]] = [
        lambda connection: build_search_index(connection, layer, table),
        lambda connection: write_words(connection, layer, table),
        lambda connection: connection.execute(SQL("CREATE UNIQUE INDEX {} ON {} (fid)").format(key, where)),
    ]

    with ThreadPoolExecutor(len(connections), "geoserver-index") as pool:
        longest = [pool.submit(build_whole, run) for run in others]
        indexes = [pool.submit(build, *job) for job in jobs]
        for done in as_completed([*longest, *indexes]):
            done.result()
            yield
    connections[0].execute(SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY USING INDEX {}").format(where, key, key))
    connections[0].execute(SQL("ANALYZE {}").format(where))
    yield


def indexed_fields(layer: Layer) -> Sequence[str]:
    """Fields that get a btree: the time field and those with a choice or range control."""
    return [
        item.name for item in layer.fields.values() if item.filter in ("choice", "range") or item.name == layer.time
    ]


def _exists(connection: psycopg.Connection, table: str) -> bool:
    row = connection.execute("SELECT to_regclass(format('layers.%%I', %s::text)) IS NOT NULL", [table]).fetchone()
    return bool(row and row[0])


def _rename_indexes(connection: psycopg.Connection, old: str, new: str) -> list[Composed]:
    rows = connection.execute(
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'layers' AND tablename = %s", [old]
    ).fetchall()
    return [
        SQL("ALTER INDEX {} RENAME TO {}").format(
            Identifier("layers", name), Identifier(name.replace(f"{old}_", f"{new}_", 1))
        )
        for (name,) in rows
    ]


def drop_leftovers(connection: psycopg.Connection, layer: Layer) -> None:
    """Remove staging tables that a load left which was killed."""
    for suffix in ("", *_BESIDE):
        name = f"{layer.table}{suffix}__staging"
        connection.execute(SQL("DROP TABLE IF EXISTS {}").format(Identifier("layers", name)))
