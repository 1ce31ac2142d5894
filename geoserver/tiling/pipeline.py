"""Statements that are asked for at the same moment, sent together: a tile of a basemap is made of some fifteen layers.

A connection of its own and a way there and back cost a layer more than what it reads of a small tile. Those that come
in the same turn of the event loop, with the same values, go over two connections, one behind the other without a pause,
so that two cores work on them.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from geoserver.database.pool import run
from geoserver.errors import OvertakenError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from geoserver.database.pool import Database

__all__ = ["fetch_bytes", "fetch_together"]

_AT_ONCE = 2


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    statement: bytes
    values: dict[str, Any]
    prepare: bool | None
    answer: asyncio.Future[bytes]


_waiting: WeakKeyDictionary[Database, list[_Asked]] = WeakKeyDictionary()
_working: set[asyncio.Task[None]] = set()


async def fetch_together(
    database: Database, statement: bytes, values: dict[str, Any], *, prepare: bool | None
) -> bytes:
    """The one value of the statement, `b""` for none; raises what it raises alone. Cancelling cancels it."""
    loop = asyncio.get_running_loop()
    asked = _Asked(statement, values, prepare, loop.create_future())
    queue = _waiting.setdefault(database, [])
    queue.append(asked)
    if len(queue) == 1:
        loop.call_soon(_send, database)
    return await asked.answer


async def fetch_bytes(
    database: Database, statements: Sequence[bytes], values: dict[str, Any], *, prepare: bool | None
) -> list[bytes]:
    """The one value of each statement, all of which take these values; on one connection, without a pause between."""
    async with database.connection() as connection, contextlib.AsyncExitStack() as held:
        if len(statements) > 1:
            await held.enter_async_context(connection.pipeline())
        cursors = []
        for statement in statements:
            # Binary: as text a bytea would travel as hexadecimal digits, twice as long.
            cursor = await held.enter_async_context(connection.cursor(binary=True))
            await run(connection, cursor, statement, values, prepare=prepare)
            cursors.append(cursor)
        rows = [await cursor.fetchone() for cursor in cursors]
    return [bytes(row[0]) if row and row[0] else b"" for row in rows]


def _send(database: Database) -> None:
    groups: dict[Hashable, list[_Asked]] = defaultdict(list)
    for asked in _waiting.pop(database, []):
        groups[asked.prepare, tuple(sorted(asked.values.items()))].append(asked)
    for group in groups.values():
        for part in (group[start::_AT_ONCE] for start in range(min(_AT_ONCE, len(group)))):
            task = asyncio.get_running_loop().create_task(_answer(database, part), name="statements of a tile")
            _working.add(task)
            task.add_done_callback(_working.discard)
            for asked in part:
                asked.answer.add_done_callback(functools.partial(_give_up, task, part))


def _give_up(task: asyncio.Task[None], part: Sequence[_Asked], _: asyncio.Future[bytes]) -> None:
    """Cancel the query when everybody who asked has left."""
    if all(asked.answer.cancelled() for asked in part):
        task.cancel()


async def _answer(database: Database, part: Sequence[_Asked]) -> None:
    try:
        bodies = await fetch_bytes(
            database, [asked.statement for asked in part], part[0].values, prepare=part[0].prepare
        )
    except Exception as error:
        away = isinstance(error, UnavailableError) and not isinstance(error, OvertakenError)
        if away or len(part) == 1:
            _fail(part, error)
            return
        for asked in part:  # one of them is wrong, which must not take the others down
            await _answer(database, [asked])
    else:
        for asked, body in zip(part, bodies, strict=True):
            if not asked.answer.done():
                asked.answer.set_result(body)


def _fail(part: Sequence[_Asked], error: Exception) -> None:
    for asked in part:
        if not asked.answer.done():
            asked.answer.set_exception(error)
