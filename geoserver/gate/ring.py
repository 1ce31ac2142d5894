"""All keys and sessions by their digest, read again as they change: a notice comes at once, and a look every 10 s.

The connection is the gate's own, so that a busy server hears of a revocation as soon as an idle one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import make_conninfo

from geoserver.access import NOBODY, Access
from geoserver.database.connecting import SettingsOf, connect
from geoserver.database.keys import Known, StoredKey, StoredSession, add_uses, forget_sessions, read_known
from geoserver.errors import (
    BadParameterError,
    ForbiddenError,
    GeoserverError,
    TooManyError,
    UnauthorizedError,
    UnavailableError,
)
from geoserver.gate.credentials import WRONG, read_given
from geoserver.gate.making import Limits, read_grants
from geoserver.gate.uses import Uses
from geoserver.turns import outlast

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from geoserver.gate.credentials import Given
    from geoserver.model import Grant

__all__ = ["Gate", "Held"]

log = logging.getLogger("geoserver")

_LOOK = 10.0  # seconds without a notice after which we look all the same
_COUNT = 1.0  # seconds between two writings of how often keys were used
_BREATH = 0.1  # seconds between two looks, whoever asks for them
_OLD = 60.0  # seconds after which what is known is not to be relied on: a revocation may have been missed
_PATIENCE = 5.0  # seconds that a request with an unknown key waits for a look
_EVERY = 3_600.0  # seconds between two clean-ups
_RETRY = 1.0  # seconds after what failed
_UNKNOWN = 10_000  # wrong keys that are remembered as such
# Notices a database that is gone without a word; a unix socket has none of these.
_LIVELY = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 2, "tcp_user_timeout": 10_000}
_BY_KEY = "key:"
_GENERATIONS = 8  # of keys that were made with one another: each request is counted for all of them
_DAYS = 366  # for which a key holds that a person makes: nobody revokes it when they leave their group


@dataclass(slots=True)
class Held:
    """A key as it is asked for: whose access it is, and until when (seconds of the system's clock)."""

    stored: StoredKey
    access: Access
    until: float


class Gate:
    """Knows keys and sessions, and counts how often keys are used."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[bytes, Held] = {}
        self._by_id: dict[str, Held] = {}
        self._sessions: dict[bytes, StoredSession] = {}
        self._unknown: set[bytes] = set()
        self.problems: dict[str, str] = {}  # what does not work now, and why
        self._read_at: float | None = None
        self._uses = Uses()
        self._connection: psycopg.Connection | None = None
        self._cleaned = 0.0
        self.revision = 0  # another number whenever keys may have changed
        self.open(lambda _: ())

    def open(self, grants_of: Callable[[Collection[str]], tuple[Grant, ...]]) -> None:
        """Begin anew, in the event loop that is to run it; `grants_of` gives what groups of people may do."""
        self._grants_of = grants_of
        self._mark, self._whole = "0", True
        self._changed = asyncio.Event()
        self._changed.set()
        self._waiting: list[asyncio.Future[None]] = []

    async def identify(self, given: Given | None, *, counted: bool = True) -> Access:
        """Who asks. A session that has ended is nobody; for a key raises UnauthorizedError, TooManyError, or
        UnavailableError while keys cannot be known. Of a session it may be left uncounted.
        """
        if given is None:
            return NOBODY
        if given.kind == "session":
            return await self._identify_session(given, counted=counted)
        held = await self._find_key(given.digest)
        if held is None:
            raise UnauthorizedError(WRONG)
        self._count(held)
        return replace(held.access, read_only=True) if given.read_only else held.access

    def recall(self, authorization: bytes) -> Held | None:
        """The key in a header, where it is known; None for all else, about which `identify` has to say."""
        try:
            given = read_given([(b"authorization", authorization)], [])
        except GeoserverError:
            return None
        return self._keys.get(given.digest) if given else None

    def use(self, held: Held) -> bool:
        """Count a request by a key that was recalled in this `revision`; false where `identify` will refuse it."""
        if held.until <= time.time() or not self._is_fresh():
            return False
        try:
            self._count(held)
        except TooManyError:
            return False
        return True

    def recall_access(self, given: Given) -> Access:
        """Who asks, of what is known already; nobody where that holds no more. It is not counted as a request."""
        if given.kind == "session":
            session = self._sessions.get(given.digest)
            return self._open_session(session, counted=False) if session is not None else NOBODY
        held = self._keys.get(given.digest)
        if held is None or held.until <= time.time():
            return NOBODY
        return replace(held.access, read_only=True) if given.read_only else held.access

    async def find_key(self, given: Given) -> StoredKey:
        """The key itself, for whoever signs in with it; raises as `identify`."""
        held = await self._find_key(given.digest)
        if held is None:
            raise UnauthorizedError(WRONG)
        self._count(held)
        return held.stored

    def limits_of(self, access: Access) -> Limits:
        """What whoever asks may give a key at most: what their own has, and of people, who have none, a year."""
        if access.kind == "person":
            return Limits(expires=datetime.now(UTC) + timedelta(days=_DAYS))
        held = self._by_id.get(access.subject.removeprefix("key:"))
        if held is None:  # it was revoked in this very moment
            raise UnauthorizedError(WRONG)
        if len(self._list_makers(held.stored)) == _GENERATIONS:
            raise ForbiddenError(
                f"Keys made with keys go no further than {_GENERATIONS} times; make this one with another."
            )
        return Limits(held.stored.expires_at, held.stored.rate, held.stored.quota)

    def list_grants(self) -> list[tuple[str, tuple[Grant, ...]]]:
        """Of every key that is known and holds, with its id."""
        return [(held.stored.id, held.access.grants) for held in self._keys.values()]

    def tell(self, payload: str) -> None:
        """A notice came; 'gone' is a change that only a whole reading shows."""
        self._whole |= payload != "changed"
        self._changed.set()

    async def look(self) -> None:
        """Wait for a reading that begins after this; raises UnavailableError when there is none."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._changed.set()
        try:
            async with asyncio.timeout(_PATIENCE):
                await waiter
        except TimeoutError:
            raise _away() from None

    async def run(self) -> None:
        """Read and count, until cancelled."""
        looked = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_COUNT):
                    await self._changed.wait()
            if self._changed.is_set() or time.monotonic() - looked > _LOOK:
                self._changed.clear()
                waiting, self._waiting = self._waiting, []
                if await self._try("read keys", self._read_news):
                    looked = time.monotonic()
                    _settle(waiting, None)
                else:
                    _settle(waiting, _away())
                    self._changed.set()
                    await asyncio.sleep(_RETRY)
            if self._uses.collect() and not await self._try("count requests of keys", self._write_counts):
                await asyncio.sleep(_RETRY)
            if time.time() - self._cleaned > _EVERY and await self._try("forget sessions", self._forget):
                self._cleaned = time.time()
            await asyncio.sleep(_BREATH)

    async def stop(self) -> None:
        """Write the last counts, and close the connection."""
        await self._try("count requests of keys", self._write_counts)
        self._drop_connection()

    # -- who it is ------------------------------------------------------------------------------------------------

    async def _find_key(self, digest: bytes) -> Held | None:
        held = self._keys.get(digest) if self._is_fresh() else None
        if held is None and not self._is_unknown(digest):
            await self.look()  # it may have been made a moment ago, by another process
            held = self._keys.get(digest)
            if held is None:
                self._note_unknown(digest)
        return held if held is not None and held.until > time.time() else None

    async def _identify_session(self, given: Given, *, counted: bool) -> Access:
        session = self._sessions.get(given.digest) if self._is_fresh() else None
        if session is None and not self._is_unknown(given.digest):
            with contextlib.suppress(UnavailableError):
                await self.look()
                session = self._sessions.get(given.digest)
                if session is None:
                    self._note_unknown(given.digest)
        return NOBODY if session is None else self._open_session(session, counted=counted)

    def _open_session(self, session: StoredSession, *, counted: bool) -> Access:
        if session.expires_at.timestamp() <= time.time():
            return NOBODY
        if session.key is None:
            grants = self._grants_of(session.groups)
            return Access("person", f"person:{session.subject}", session.name, grants, by_cookie=True)
        held = self._by_id.get(session.key)
        if held is None or held.until <= time.time():
            return NOBODY
        if counted:
            self._count(held)
        return replace(held.access, by_cookie=True)

    def _is_unknown(self, digest: bytes) -> bool:
        """Whether we looked for it in vain: nobody hears of a key before it is kept, so it will not come to be."""
        return digest in self._unknown and self._is_fresh()

    def _note_unknown(self, digest: bytes) -> None:
        if len(self._unknown) >= _UNKNOWN:
            self._unknown.clear()
        self._unknown.add(digest)

    def _is_fresh(self) -> bool:
        return self._read_at is not None and time.monotonic() - self._read_at <= _OLD

    def _count(self, held: Held) -> None:
        """One request of a key, and of those that it was made with: what a key may ask is for all that it makes."""
        self._uses.take_all((held.stored, *self._list_makers(held.stored)), time.time())

    def _list_makers(self, stored: StoredKey) -> list[StoredKey]:
        """The key that made this one, that which made that, and so on, as far as they hold."""
        found: list[StoredKey] = []
        while stored.created_by.startswith(_BY_KEY) and len(found) < _GENERATIONS:
            maker = self._by_id.get(stored.created_by.removeprefix(_BY_KEY))
            if maker is None:
                break
            stored = maker.stored
            found.append(stored)
        return found

    # -- the database ---------------------------------------------------------------------------------------------

    async def _try(self, what: str, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Whether it was done; where not, `problems` tells operators why, and the rest is done all the same."""
        try:
            await work()
        except (psycopg.Error, OSError) as error:
            self._drop_connection()
            problem = " ".join(str(error).split()) or type(error).__name__
            if what not in self.problems:
                log.warning("%s: %s", what, problem)
            self.problems[what] = problem
            return False
        self.problems.pop(what, None)
        return True

    async def _read_news(self) -> None:
        """What has changed since the last time, or all. Threads are waited for: they work on the one connection."""
        began, whole, self._whole = time.monotonic(), self._whole, False  # a notice may ask for all again meanwhile
        try:
            known, held = await outlast(asyncio.to_thread(self._read, "0" if whole else self._mark))
        except BaseException:
            self._whole |= whole
            raise
        if whole:
            self._keys, self._by_id, self._sessions = {}, {}, {}
            self._unknown.clear()
        self._take(known, held)
        self._mark, self._read_at = known.mark, began
        self.revision += bool(known.keys) or whole

    async def _write_counts(self) -> None:
        counts = self._uses.collect()
        if counts:
            sums = await outlast(asyncio.to_thread(lambda: add_uses(self._connect(), counts)))
            self._uses.settle(counts, sums)

    async def _forget(self) -> None:
        self._uses.forget(time.time())
        await outlast(asyncio.to_thread(lambda: forget_sessions(self._connect())))

    def _read(self, mark: str) -> tuple[Known, list[Held | None]]:
        known = read_known(self._connect(), mark)
        return known, [_hold(stored) for stored in known.keys]

    def _take(self, known: Known, every: list[Held | None]) -> None:
        for stored, held in zip(known.keys, every, strict=True):
            if held is None:
                self._keys.pop(stored.digest, None)
                self._by_id.pop(stored.id, None)
            else:
                self._keys[stored.digest] = self._by_id[stored.id] = held
        for session in known.sessions:
            if session.ended_at is None:
                self._sessions[session.digest] = session
            else:
                self._sessions.pop(session.digest, None)

    def _connect(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            url = make_conninfo(self._url, **_LIVELY)
            self._connection = connect(url, autocommit=True, settings=SettingsOf(statement_timeout="5000"))
        return self._connection

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _hold(stored: StoredKey) -> Held | None:
    """The key as it is asked for; None for one that is revoked, or whose grants cannot be read."""
    if stored.revoked_at is not None:
        return None
    try:
        grants = read_grants(stored)
    except BadParameterError as error:
        log.warning("The grants of key %s cannot be read, so it opens nothing: %s", stored.id, error)
        return None
    until = stored.expires_at.timestamp() if stored.expires_at else float("inf")
    return Held(stored, Access("key", f"key:{stored.id}", stored.label, grants), until)


def _settle(waiting: list[asyncio.Future[None]], error: Exception | None) -> None:
    for waiter in waiting:
        if waiter.done():
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)


def _away() -> UnavailableError:
    return UnavailableError("Keys cannot be known while the database is away; try again in a few seconds.")
