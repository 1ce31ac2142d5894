"""All keys and sessions by their digest, read again as they change: a notice comes at once, and a look every 10 s.

The connection is the gate's own, so that a busy server hears of a revocation as soon as an idle one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg

from geoserver.access import NOBODY, Access, Grant
from geoserver.database.connecting import SettingsOf, connect
from geoserver.database.keys import Known, StoredKey, StoredSession, add_uses, forget_sessions, read_known
from geoserver.errors import BadParameterError, GeoserverError, TooManyError, UnauthorizedError, UnavailableError
from geoserver.gate.credentials import read_given
from geoserver.gate.making import read_grants
from geoserver.gate.uses import Uses
from geoserver.turns import outlast

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from geoserver.gate.credentials import Given

__all__ = ["Gate", "Held"]

log = logging.getLogger("geoserver")

_LOOK = 10.0  # seconds without a notice after which we look all the same
_COUNT = 1.0  # seconds between two writings of how often keys were used
_BREATH = 0.1  # seconds between two looks, whoever asks for them
_OLD = 60.0  # seconds after which what is known is not to be relied on: a revocation may have been missed
_PATIENCE = 5.0  # seconds that a request with an unknown key waits for a look
_EVERY = 3_600.0  # seconds between two clean-ups
_WRONG = "This key is not known here: it is wrong, revoked or expired."


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

    async def identify(self, given: Given | None) -> Access:
        """Who asks. A session that has ended is nobody; for a key raises UnauthorizedError, TooManyError, or
        UnavailableError while keys cannot be known.
        """
        if given is None:
            return NOBODY
        if given.kind == "session":
            return await self._identify_session(given)
        held = await self._find_key(given.digest)
        if held is None:
            raise UnauthorizedError(_WRONG)
        self._count(held)
        return replace(held.access, read_only=True) if given.read_only else held.access

    def recall(self, authorization: bytes) -> Held | None:
        """The key in a header, where it is known and holds; None for all else, about which `identify` has to say."""
        try:
            given = read_given([(b"authorization", authorization)], [])
        except GeoserverError:
            return None
        held = self._keys.get(given.digest) if given else None
        return held if held is not None and self.holds(held) else None

    def holds(self, held: Held) -> bool:
        """Whether a key that was recalled in this `revision` holds still."""
        return held.until > time.time() and self._is_fresh()

    def count(self, held: Held) -> bool:
        """Count a request by a recalled key; false where it is one too many, which `identify` will say."""
        try:
            self._count(held)
        except TooManyError:
            return False
        return True

    async def find_key(self, given: Given) -> StoredKey:
        """The key itself, for whoever signs in with it; raises as `identify`."""
        held = await self._find_key(given.digest)
        if held is None:
            raise UnauthorizedError(_WRONG)
        self._count(held)
        return held.stored

    @property
    def stored_keys(self) -> list[StoredKey]:
        """Every key that is known and holds."""
        return [held.stored for held in self._keys.values()]

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
            wanted = self._changed.is_set() or time.monotonic() - looked > _LOOK
            self._changed.clear()
            waiting, self._waiting = self._waiting, []
            try:
                await self._visit(look=wanted)
            except (psycopg.Error, OSError) as error:
                self._drop_connection()
                log.debug("Keys could not be read: %s", error)
                _settle(waiting, _away())
                self._changed.set()
                await asyncio.sleep(1)
            else:
                looked = time.monotonic() if wanted else looked
                _settle(waiting, None)
            await asyncio.sleep(_BREATH)

    async def stop(self) -> None:
        """Write the last counts, and close the connection."""
        with contextlib.suppress(psycopg.Error, OSError):
            await self._visit(look=False)
        self._drop_connection()

    # -- who it is ------------------------------------------------------------------------------------------------

    async def _find_key(self, digest: bytes) -> Held | None:
        held = self._keys.get(digest) if self._is_fresh() else None
        if held is None:
            await self.look()  # it may have been made a moment ago, by another process
            held = self._keys.get(digest)
        return held if held is not None and held.until > time.time() else None

    async def _identify_session(self, given: Given) -> Access:
        session = self._sessions.get(given.digest) if self._is_fresh() else None
        if session is None:
            with contextlib.suppress(UnavailableError):
                await self.look()
                session = self._sessions.get(given.digest)
        if session is None or session.expires_at.timestamp() <= time.time():
            return NOBODY
        if session.key is None:
            grants = self._grants_of(session.groups)
            return Access("person", f"person:{session.subject}", session.name, grants, by_cookie=True)
        held = self._by_id.get(session.key)
        if held is None or held.until <= time.time():
            return NOBODY
        self._count(held)
        return replace(held.access, by_cookie=True)

    def _is_fresh(self) -> bool:
        return self._read_at is not None and time.monotonic() - self._read_at <= _OLD

    def _count(self, held: Held) -> None:
        stored = held.stored
        self._uses.take(stored.id, stored.rate, stored.quota, stored.used, time.time())

    # -- the database ---------------------------------------------------------------------------------------------

    async def _visit(self, *, look: bool) -> None:
        """Write what was counted, and read what has changed where that is wanted.

        A thread that works on the connection is waited for, so that nobody closes it meanwhile.
        """
        counts = self._uses.collect()
        if counts:
            self._uses.settle(counts, await outlast(asyncio.to_thread(self._write_counts, counts)))
        if look:
            began, whole, self._whole = time.monotonic(), self._whole, False  # a notice may ask for all again meanwhile
            try:
                known, held = await outlast(asyncio.to_thread(self._read, "0" if whole else self._mark))
            except BaseException:
                self._whole |= whole
                raise
            if whole:
                self._keys, self._by_id, self._sessions = {}, {}, {}
            self._take(known, held)
            self._mark, self._read_at = known.mark, began
            self.revision += bool(known.keys) or whole
        if time.time() - self._cleaned > _EVERY:
            self._cleaned = time.time()
            self._uses.forget(self._cleaned)
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

    def _write_counts(self, counts: dict[str, int]) -> dict[str, int]:
        return add_uses(self._connect(), counts)

    def _connect(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url, autocommit=True, settings=SettingsOf(statement_timeout="5000"))
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
