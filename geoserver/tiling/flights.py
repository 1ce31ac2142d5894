"""Rendering on demand: one render for all who wait for the same tile, and the last good tile where that takes too long.

A change that arrives while a tile is being rendered makes the flight outdated: those who wait get what they asked for
before the change, nobody joins any more, and the bytes are not kept as fresh.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from geoserver.errors import GeoserverError, UnavailableError
from geoserver.tiling.cache import Entry, Key, TileCache
from geoserver.tiling.ranges import touches

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from geoserver.tiling.ranges import TileRange

__all__ = ["BUCKETS", "Flights", "Found", "Made"]

log = logging.getLogger("geoserver")

WAIT_FOR_FRESH = 1.0  # seconds that a client waits for new bytes while there are old ones
HOLD = 5.0  # seconds without another attempt after one failed, while there are old bytes
MOST_FLIGHTS = 512  # tiles under way at once; far more than connections, and what is beyond would time out anyway
MOST_WAITING = 8192  # requests that wait for them
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds of rendering, for the histogram


class Made(NamedTuple):
    """What a render gives: the bytes, and whether all of them are the newest that there are."""

    body: bytes
    fresh: bool = True


class Found(NamedTuple):
    """An entry, and whether it is an old one that stands in for what could not be had in time."""

    entry: Entry
    stale: bool


type Render = Callable[[], Awaitable[Made]]


@dataclass(slots=True)
class RenderCounts:
    """Renders since the start: how many, how many failed, and how long they took; `buckets` as in BUCKETS."""

    renders: int = 0
    failed: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * len(BUCKETS))

    def add(self, seconds: float) -> None:
        self.renders += 1
        self.seconds += seconds
        for at, most in enumerate(BUCKETS):
            self.buckets[at] += seconds <= most


class _Flight:
    """One render under way."""

    __slots__ = ("forgotten", "kept", "key", "outdated", "started", "task", "until", "versions", "waiting")

    def __init__(self, key: Key, versions: tuple[str, ...], started: float) -> None:
        self.key = key
        self.versions = versions
        self.started = started
        self.waiting = 0
        self.kept = False  # goes on though nobody waits: someone was sent away with old bytes meanwhile
        self.outdated = False
        self.until = 0.0  # as of `Entry`, where it is outdated
        self.forgotten = False  # the bytes are for those who wait alone
        self.task: asyncio.Task[Found]


class Flights:
    """Gives tiles out of a cache, and renders what is not in it."""

    def __init__(self, cache: TileCache) -> None:
        self.cache = cache
        self.counts = RenderCounts()
        self._flights: dict[Key, _Flight] = {}  # those that may be joined
        self._running: set[_Flight] = set()
        self._waiting = 0

    def __len__(self) -> int:
        return len(self._running)

    def fresh(self, key: Key, versions: tuple[str, ...], *, put_off: bool = False) -> Entry | None:
        """The tile, if it is there and nothing has changed since, or it may be given still (`TileCache.put_off`)."""
        entry = self.cache.find(key)
        if entry is None or entry.versions != versions:
            return None
        return entry if entry.fresh or (put_off and time.monotonic() < entry.until) else None

    async def get(self, key: Key, versions: tuple[str, ...], render: Render, *, away: bool = False) -> Found:
        """The tile; `render` is called if it has to be. `away`: it would fail now, so it is not tried.

        Raises what `render` raises, UnavailableError when too much is asked for at once.
        """
        if (entry := self.fresh(key, versions)) is not None:
            return Found(entry, stale=False)
        # Who sees some rows gets no old tile: a row of it may not be for them any more.
        old = None if any(key.sights) else self.cache.find(key)
        if old is not None and (away or _now() < old.hold):
            return Found(old, stale=True)
        if away:
            raise UnavailableError("The database cannot be reached; try again in a few seconds.")
        flight = self._flights.get(key)
        if flight is not None and flight.versions != versions:
            self._outdate(flight)
            flight = None
        if flight is None:
            flight = self._start(key, versions, render, timed=len(key.layers) == 1)
        return await self._wait(flight, old)

    def drop(self, layer: str, changed: Sequence[TileRange] | None) -> int:
        """Rows changed: mark as stale what the ranges touch, or without ranges the whole layer."""
        self._outdate_touched(layer, changed, 0.0)
        return self.cache.drop_layer(layer) if changed is None else self.cache.drop_tiles(layer, changed)

    def put_off(self, layer: str, changed: Sequence[TileRange], *, since: float, until: float) -> list[Entry]:
        """The same, but what is asked for and what is under way may be given `until` then: `TileCache.put_off`."""
        self._outdate_touched(layer, changed, until)
        return self.cache.put_off(layer, changed, since=since, until=until)

    def _outdate_touched(self, layer: str, changed: Sequence[TileRange] | None, until: float) -> None:
        for flight in self._running:
            key = flight.key
            if layer in key.layers and (changed is None or touches(changed, key.z, key.x, key.y)):
                self._outdate(flight, 0.0 if any(key.sights) else until)

    def forget(self, layer: str) -> None:
        """The layer is gone, or other things of it may be seen than before: let its tiles not be seen again."""
        for flight in self._running:
            if layer in flight.key.layers:
                flight.forgotten = True
                self._outdate(flight)
        self.cache.forget_layer(layer)

    async def stop(self) -> None:
        """End every render."""
        tasks = [flight.task for flight in self._running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _outdate(self, flight: _Flight, until: float = 0.0) -> None:
        flight.until = min(flight.until, until) if flight.outdated else until
        flight.outdated = True
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    def _start(self, key: Key, versions: tuple[str, ...], render: Render, *, timed: bool) -> _Flight:
        if len(self._running) >= MOST_FLIGHTS:
            raise UnavailableError("Too many tiles are being made at once; try again in a few seconds.")
        flight = _Flight(key, versions, _now())
        flight.task = asyncio.create_task(self._fly(flight, render, timed=timed), name=f"tile {key.z}/{key.x}/{key.y}")
        self._flights[key] = flight
        self._running.add(flight)
        flight.task.add_done_callback(lambda task: self._land(flight, task))
        return flight

    def _land(self, flight: _Flight, task: asyncio.Task[Found]) -> None:
        self._running.discard(flight)
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, GeoserverError):
            log.error("Tile %s failed", flight.key, exc_info=error)

    async def _fly(self, flight: _Flight, render: Render, *, timed: bool) -> Found:
        started = time.perf_counter()
        try:
            made = await render()
        except Exception:
            self.counts.failed += 1
            if (old := self.cache.find(flight.key)) is not None:
                old.hold = _now() + HOLD
            raise
        if timed:
            self.counts.add(time.perf_counter() - started)
        fresh = made.fresh and not flight.outdated
        entry = Entry(flight.key, flight.versions, made.body, fresh=fresh)
        entry.until = flight.until
        if fresh or (made.fresh and not flight.forgotten and not self._is_fresh(flight.key)):
            self.cache.store(entry)
        return Found(entry, stale=not made.fresh)

    def _is_fresh(self, key: Key) -> bool:
        kept = self.cache.find(key)
        return kept is not None and kept.fresh

    async def _wait(self, flight: _Flight, old: Entry | None) -> Found:
        if self._waiting >= MOST_WAITING:
            if old is not None:
                return Found(old, stale=True)
            raise UnavailableError("Too many requests wait for tiles; try again in a few seconds.")
        flight.waiting += 1
        self._waiting += 1
        timeout = None if old is None else max(0.0, flight.started + WAIT_FOR_FRESH - _now())
        try:
            done, _ = await asyncio.wait([flight.task], timeout=timeout)
            if done:
                return flight.task.result()
            flight.kept = True
        except Exception:
            if old is None:
                raise
        finally:
            flight.waiting -= 1
            self._waiting -= 1
            if not (flight.waiting or flight.kept or flight.task.done()):
                self._outdate(flight)  # nobody may join what is about to end
                flight.task.cancel()
        assert old is not None  # noqa: S101 - without old bytes there is no timeout
        return Found(old, stale=True)


def _now() -> float:
    return asyncio.get_running_loop().time()
