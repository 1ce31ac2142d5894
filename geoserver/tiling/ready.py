"""Tiles that are kept ready: the table that holds them, and how it is filled over one connection or two."""

from __future__ import annotations

import contextlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg.sql import SQL, Identifier

from geoserver.model import Tile, ZoomPlan
from geoserver.tiling.compose import BUDGET, build_statements
from geoserver.tiling.counted import write_counted
from geoserver.tiling.density import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from geoserver.filtering import Where
    from geoserver.tiling.bins import CountedTables, Subject
    from geoserver.tiling.counted import Counted

__all__ = ["ReadyTiles", "make_fitting", "make_tile"]


def make_tile(
    connection: psycopg.Connection,
    subject: Subject,
    tile: Tile,
    step: ZoomPlan | None,
    tables: CountedTables,
    *,
    where: Where = EVERYTHING,
) -> bytes:
    """A tile's bytes from these tables, of all rows or of some."""
    parts: list[bytes] = []
    for statement, values in build_statements(subject, tile, step, where, tables):
        with connection.cursor(binary=True) as cursor:
            row = cursor.execute(statement, values, prepare=False).fetchone()
        parts.append(bytes(row[0]) if row and row[0] else b"")
    return b"".join(parts)


@dataclass(slots=True)
class ReadyTiles:
    """Fills `layers.{table}`; a helper is another connection, in autocommit, that sees what it is to be filled from."""

    connection: psycopg.Connection
    table: str
    helper: psycopg.Connection | None = None
    _waiting: deque[tuple[Subject, CountedTables, Tile, ZoomPlan]] = field(default_factory=deque)
    _helping: list[Future[None]] = field(default_factory=list)
    _pool: ThreadPoolExecutor | None = None

    def create(self) -> None:
        self.connection.execute(
            SQL(
                "CREATE TABLE {0} (z smallint, x integer, y integer, tile bytea, counted bytea, PRIMARY KEY (z, x, y));"
                "ALTER TABLE {0} ALTER tile SET STORAGE EXTERNAL, ALTER counted SET STORAGE EXTERNAL"  # read at no cost
            ).format(Identifier("layers", self.table))
        )

    def drop(self) -> None:
        self.connection.execute(SQL("DROP TABLE IF EXISTS {}").format(Identifier("layers", self.table)))

    @contextlib.contextmanager
    def helped(self) -> Iterator[None]:
        """Inside, the helper makes tiles as they are added; at the end, both make the rest."""
        with ThreadPoolExecutor(1, "geoserver-tiles") as self._pool:
            try:
                yield
                self._work(self.connection)
                for done in self._helping:
                    done.result()
            finally:
                self._waiting.clear()

    def add(self, subject: Subject, tables: CountedTables, tiles: list[tuple[Tile, ZoomPlan]]) -> None:
        """Have these tiles made some time before the end."""
        self._waiting += [(subject, tables, tile, step) for tile, step in tiles]
        if self.helper and self._pool and tiles:
            self._helping.append(self._pool.submit(self._work, self.helper))

    def _work(self, connection: psycopg.Connection) -> None:
        while self._waiting:
            try:
                one = self._waiting.popleft()
            except IndexError:  # the other one took the last
                return
            self.keep(connection, *one)

    def keep_counted(self, connection: psycopg.Connection, tile: Tile, counted: Counted) -> None:
        """Store the counted bins of a tile."""
        insert = SQL("INSERT INTO {} (z, x, y, counted) VALUES (%s, %s, %s, %s)")
        values = [tile.z, tile.x, tile.y, write_counted(counted)]
        connection.execute(insert.format(Identifier("layers", self.table)), values)

    def keep(
        self, connection: psycopg.Connection, subject: Subject, tables: CountedTables, tile: Tile, planned: ZoomPlan
    ) -> None:
        """Make a tile and store it, if it is not too large."""
        if body := make_fitting(connection, subject, tables, tile, planned):
            insert = SQL("INSERT INTO {} (z, x, y, tile) VALUES (%s, %s, %s, %s)").format(
                Identifier("layers", self.table)
            )
            connection.execute(insert, [tile.z, tile.x, tile.y, body])


def make_fitting(
    connection: psycopg.Connection, subject: Subject, tables: CountedTables, tile: Tile, planned: ZoomPlan
) -> bytes:
    """A tile as planned, or with fewer bins where that is too large; nothing where that is too large, too."""
    for step in (planned, ZoomPlan(-1, planned.cells // 2), ZoomPlan(-1, planned.cells // 4)):
        body = make_tile(connection, subject, tile, step, tables)
        if len(body) <= BUDGET:
            return body
    return b""
