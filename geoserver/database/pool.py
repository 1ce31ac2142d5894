"""Connections: asynchronous pools for tiles and API and for pages of OGC API, one for threads; autocommit, with a
timeout.

Queries are `psycopg.sql` objects with named parameters; a value never becomes part of the text.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import select
import time
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row, tuple_row
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from geoserver.database.connecting import SettingsOf, connect_options
from geoserver.errors import BadParameterError, OvertakenError, UnavailableError
from geoserver.interrupts import interruptible

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from psycopg.sql import SQL, Composed

    from geoserver.settings import Settings

__all__ = ["Database", "Query", "explain", "run"]

log = logging.getLogger("geoserver")

type Query = SQL | Composed
type Parameters = Mapping[str, object] | None
type Row = dict[str, Any]

_FORGET = "DEALLOCATE ALL"  # psycopg sees it, and forgets what it has prepared, too
_MANY = 200  # bytes of a shape; a box takes 93
_AT_ONCE = 250  # rows of a page that are taken over in one go
_WAIT = 5.0  # seconds that a request waits for a free connection before it is told to come back
# What a statement about a table that has changed since comes to: tables, columns, functions that are gone, other types.
_CHANGED = frozenset({"42P01", "42703", "42883", "42804", "42501", "42846", "3F000"})
# What a query comes to that waits for a load which waits for it.
_IN_THE_WAY = (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable)
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed, TooManyRequests)
# What PostgreSQL says of values it cannot compute with: numbers and times out of range, texts that are none (class
# 22), statements too long or deep (54), and shapes on which GEOS or PROJ gives up (PostGIS' "internal error").
_UNCOMPUTABLE = (
    psycopg.DataError,
    psycopg.errors.ProgramLimitExceeded,
    psycopg.errors.StatementTooComplex,
    psycopg.errors.TooManyColumns,
    psycopg.errors.TooManyArguments,
    psycopg.errors.InternalError_,
)
_OF_SHAPES = re.compile(r"geos|geom|\blw|transform|topology|exception|srid", re.IGNORECASE)


class Database:
    """All pools over one address; a database that is away is a 503 now and is found again by itself."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self.on_surprise: Callable[[], None] = lambda: None  # called, in any thread, when a table is not as expected
        self._timeout = settings.statement_timeout
        ours = SettingsOf(statement_timeout=str(int(settings.statement_timeout * 1000)))
        limits: dict[str, Any] = {"timeout": _WAIT, "reconnect_timeout": 0, "open": False, "max_idle": 300}
        limits["kwargs"] = connect_options(url)
        several: dict[str, Any] = {"configure": ours.apply_async, "check": _check_async, **limits}
        self._pool = AsyncConnectionPool(url, min_size=1, max_size=settings.pool_size, **several)
        self._pool_pages = AsyncConnectionPool(url, min_size=0, max_size=settings.ogc_threads, **several)
        self._pool_sync = ConnectionPool(
            url, min_size=0, max_size=settings.ogc_threads, configure=ours.apply, check=_check, **limits
        )

    async def open(self) -> None:
        """Start the pools; does not wait, so that a server starts while its database is still away."""
        await self._pool.open(wait=False)
        await self._pool_pages.open(wait=False)
        self._pool_sync.open(wait=False)

    async def close(self) -> None:
        await self._pool.close()
        await self._pool_pages.close()
        self._pool_sync.close()

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection]:
        """A connection of the pool; raises UnavailableError when there is none or the query was cut."""
        with self._explained():
            async with self._pool.connection() as connection:
                yield connection

    @contextlib.contextmanager
    def connection_sync(self) -> Iterator[psycopg.Connection]:
        """The same for threads; its query ends with the request that the thread works for."""
        with contextlib.ExitStack() as held:
            held.enter_context(self._explained())
            connection = held.enter_context(self._pool_sync.connection())
            held.enter_context(interruptible(connection.cancel_safe))
            yield connection

    async def fetch_page(self, query: Query | bytes, params: Parameters = None) -> list[tuple[Any, ...]]:
        """All rows of a page of OGC API as tuples, over connections of their own; a long one holds nobody up."""
        rows: list[tuple[Any, ...]] = []
        with self._explained():
            async with self._pool_pages.connection() as connection:
                cursor = connection.cursor(row_factory=tuple_row)
                await run(connection, cursor, query, params)
                while found := await cursor.fetchmany(_AT_ONCE):
                    rows += found
                    if len(found) == _AT_ONCE:
                        await asyncio.sleep(0)
        return rows

    async def fetch(self, query: Query, params: Parameters = None) -> list[Row]:
        """All rows as dicts."""
        async with self.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await run(connection, cursor, query, params)
            return await cursor.fetchall()

    async def fetch_row(self, query: Query, params: Parameters = None) -> Row | None:
        rows = await self.fetch(query, params)
        return rows[0] if rows else None

    async def fetch_value(self, query: Query, params: Parameters = None) -> Any:
        """The first column of the first row, or None."""
        row = await self.fetch_row(query, params)
        return next(iter(row.values())) if row else None

    def fetch_sync(self, query: Query, params: Parameters = None) -> list[Row]:
        """All rows as dicts, for threads."""
        with self.connection_sync() as connection, connection.cursor(row_factory=dict_row) as cursor:
            prepare = False if _holds_shape(params) else None
            try:
                return cursor.execute(query, params, prepare=prepare).fetchall()
            except psycopg.errors.FeatureNotSupported:  # as in `run`
                connection.execute(_FORGET)
                return cursor.execute(query, params, prepare=prepare).fetchall()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what psycopg says into what a client understands: a cut query, an absent server, impossible values."""
        started = time.monotonic()
        try:
            yield
        except psycopg.errors.QueryCanceled as error:
            # Cut by no limit: a load did not wait for it. The words are the database's, in whatever language it speaks.
            if time.monotonic() - started < self._timeout and "statement timeout" not in str(error):
                raise OvertakenError from error
            raise UnavailableError(
                f"The query took longer than {self._timeout:g} s and was cut; narrow the filter or the area."
            ) from error
        except (psycopg.Error, PoolTimeout, PoolClosed, TooManyRequests) as error:
            known = explain(error)
            if known is None:
                raise
            if isinstance(known, OvertakenError):
                self.on_surprise()
            raise known from error


def explain(error: Exception) -> BadParameterError | UnavailableError | None:
    """What a client understands of an error of the database's; None for what is a fault of ours."""
    if isinstance(error, _UNCOMPUTABLE):
        if isinstance(error, psycopg.errors.InternalError_) and not _OF_SHAPES.search(str(error)):
            return None
        # Its words may hold values of rows, so they are for the log alone.
        log.warning("The database could not compute: %s", error)
        expected = (
            "numbers, times and texts that the database can hold, and valid geometries not too large for their CRS"
        )
        return BadParameterError("query", type(error).__name__.strip("_"), expected)
    if isinstance(error, _IN_THE_WAY):
        return OvertakenError()
    if isinstance(error, _AWAY):
        return UnavailableError("The database cannot be reached; try again in a few seconds.")
    if isinstance(error, psycopg.ProgrammingError) and error.sqlstate in _CHANGED:
        # A table is another than when the question was put together: a load took its place, or someone changed it.
        log.warning("What is loaded has changed under a query: %s", " ".join(str(error).split()))
        return OvertakenError()
    return None


async def _check_async(connection: psycopg.AsyncConnection) -> None:
    """Before a request gets it: raises where it was ended while it was idle, and the pool gives another one."""
    if _is_spoken_to(connection):
        await AsyncConnectionPool.check_connection(connection)


def _check(connection: psycopg.Connection) -> None:
    """The same for threads."""
    if _is_spoken_to(connection):
        ConnectionPool.check_connection(connection)


def _is_spoken_to(connection: psycopg.Connection | psycopg.AsyncConnection) -> bool:
    """Whether there is something to read though nothing was asked, mostly the connection's end; costs no round trip."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _holds_shape(params: Parameters) -> bool:
    """Whether a value is a shape of many corners: a statement prepared for any would read it anew for every row."""
    return any(isinstance(value, bytes) and len(value) >= _MANY for value in (params or {}).values())


async def run(
    connection: psycopg.AsyncConnection,
    cursor: psycopg.AsyncCursor[Any],
    query: Query | bytes,
    params: Parameters,
    *,
    prepare: bool | None = None,
) -> None:
    """Execute; where a load gave the table other columns, what this session prepared before is void and made again."""
    prepare = False if _holds_shape(params) else prepare
    try:
        await cursor.execute(query, params, prepare=prepare)
    except psycopg.errors.FeatureNotSupported:
        await connection.execute(_FORGET)
        await cursor.execute(query, params, prepare=prepare)
