"""What follows edits, by one worker for all servers of a database: telling of them, folding them, and removing rows
that have expired, which are edits like any other.

Triggers note what each statement changes (`database/migrations/012_log.sql`), so that no editor waits for another.
Readers count what is noted; the more there is, the longer that takes. So notes are folded now and then, and ready tiles
that they emptied are made again, in a tenth of the time of one core at most. Whoever holds the lock is the worker; when
it goes, the database lets go of the lock, and the next one goes on where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from geoserver.database.connecting import connect, connect_async
from geoserver.database.edits import list_noted, list_ready, take_turn, tell_edits, work_alone
from geoserver.expiring import remove_as_they_expire
from geoserver.tasks import explain
from geoserver.tiling import Subject, fold, remake_tiles

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from geoserver.model import Layer
    from geoserver.tasks import Keeper

__all__ = ["Editing"]

_LOOK = 0.2  # seconds between two looks at the notes: so late is what everyone is told
_WAIT = 10.0  # seconds for which notes gather before they are folded
_MANY = 1000  # notes that are folded without such a wait
_SHARE = 10  # a part of the time that folding may take, as a divisor
_RETRY = 2.0  # seconds until another look at who has the lock
_PAUSE = 30.0  # seconds after which what failed is tried again
# Who empties the table, or loads the layer at this moment, goes first.
_OTHERS_FIRST = (
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.UndefinedTable,
)


@dataclass(slots=True)
class _Course:
    """When something is done again: not before notes have gathered, and it has rested."""

    since: float | None = None  # there are notes
    free: float = 0.0  # from when on its share of time allows more

    def is_due(self, notes: int) -> bool:
        now = time.monotonic()
        self.since = self.since or now
        return now >= max(self.since + (_WAIT if notes < _MANY else 0), self.free)

    def rest(self, took: float) -> None:
        self.since, self.free = None, time.monotonic() + (_SHARE - 1) * took


@dataclass(slots=True)
class Editing:
    """`find` gives what tiles of a layer are made of, None for one that is not served; `list_expiring` gives those of
    which rows expire; `keeper` hears what fails.
    """

    url: str
    find: Callable[[str], Subject | None]
    list_expiring: Callable[[], list[Layer]]
    keeper: Keeper
    _courses: dict[str, _Course] = field(default_factory=lambda: defaultdict(_Course))
    _emptied: set[str] = field(default_factory=set)  # layers of which ready tiles may have been emptied
    _failing: set[str] = field(default_factory=set)  # what could not be done when it was last tried, as in `_courses`

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                async with await connect_async(self.url) as connection:
                    if await take_turn(connection):
                        await self._follow(connection)
            except psycopg.errors.UndefinedFunction:
                pass  # the database is not brought up to date yet
            except (psycopg.OperationalError, OSError) as error:
                if not _is_away(error):
                    raise
            await asyncio.sleep(_RETRY)

    async def _follow(self, connection: psycopg.AsyncConnection) -> None:
        """As long as the connection lives, which holds the lock."""
        self._courses.clear()
        self._emptied = set(await list_ready(connection))
        folding: asyncio.Task[None] | None = None
        removing = asyncio.create_task(remove_as_they_expire(self.url, self.list_expiring), name="remove expired rows")
        told: str | None = None
        try:
            while True:
                if removing.done():
                    removing.result()
                told = await tell_edits(connection, told)
                if folding is None or folding.done():
                    if folding is not None:
                        folding.result()
                    noted = await list_noted(connection)
                    folding = asyncio.create_task(self._fold(noted, told))
                await asyncio.sleep(_LOOK)
        finally:
            removing.cancel()
            await asyncio.gather(removing, return_exceptions=True)
            if folding is not None:  # nobody else may fold before it is done
                with contextlib.suppress(psycopg.Error, OSError):
                    await asyncio.shield(folding)
            self._settle(())

    async def _fold(self, noted: dict[str, int], told: str | None) -> None:
        self._settle({*noted, *map(_tiles_of, self._emptied)})
        for layer, notes in noted.items():
            course = self._courses[layer]
            if course.is_due(notes):
                await self._work(layer, _fold, layer, self.find(layer), told)
                self._emptied.add(layer)
        for layer in list(self._emptied):
            course = self._courses[_tiles_of(layer)]
            if time.monotonic() < course.free:
                continue
            made = await self._work(_tiles_of(layer), _remake, self.find(layer))
            if made is None:  # not to be had at this moment
                course.free = max(course.free, time.monotonic() + _WAIT)
            elif not made:
                self._emptied.discard(layer)

    async def _work(self, what: str, do: Callable[..., int | None], *args: object) -> int | None:
        """Do it in its share of time. What fails is noted, is done again later, and holds no other layer up."""
        started, pause, done = time.monotonic(), 0.0, None
        try:
            done = await asyncio.to_thread(do, self.url, *args)
        except _OTHERS_FIRST:
            pass
        except Exception as error:
            if _is_away(error):
                raise
            self._failing.add(what)
            self.keeper.note(_name(what), explain(error), error)
            pause = _PAUSE
        else:
            self._settle(self._failing - {what})
        course = self._courses[what]
        course.rest(time.monotonic() - started)
        course.free += pause
        return done

    def _settle(self, kept: Collection[str]) -> None:
        """Nothing fails but what is `kept`: it works again, there is nothing to do any more, or another does it."""
        for what in self._failing.difference(kept):
            self._failing.discard(what)
            self.keeper.clear(_name(what))


def _is_away(error: Exception) -> bool:
    """Whether the database is, which others tell of and which is waited for."""
    if isinstance(error, psycopg.OperationalError):
        return (error.sqlstate or "08").startswith(("08", "57P"))
    return isinstance(error, OSError)


def _tiles_of(layer: str) -> str:
    return f"{layer} (ready tiles)"


def _name(what: str) -> str:
    return f"follow edits of {what}"


def _fold(url: str, layer: str, subject: Subject | None, told: str | None) -> int | None:
    """Work notes in; gives how many, and None while another does so."""
    with _open(url) as own:
        return fold(own, layer, subject, told) if work_alone(own) else None


def _remake(url: str, subject: Subject | None) -> int | None:
    """Make some of the ready tiles that were emptied; gives how many, and None where it is not known how."""
    if subject is None:
        return None
    with _open(url) as own:
        return remake_tiles(own, subject) if work_alone(own) else None


@contextlib.contextmanager
def _open(url: str) -> Iterator[psycopg.Connection]:
    with connect(url, autocommit=True, application="geoserver editing") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ  # of each transaction in it
        yield connection
