"""Tiles of layers that change all the time (`[live]`), made anew behind for those who look at them.

Whoever asks for a tile that a change has touched would wait until it is made, every few seconds anew. So a tile that
was asked for lately is made as soon as the change is told, and until it is there the one before is given; no longer
than the layer's file lets answers be behind. Who says that only the newest will do (`Cache-Control: no-cache`, as the
page does when it was told of a change) waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from geoserver.errors import GeoserverError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from geoserver.api.tile_server import Hot, Request
    from geoserver.tiling.cache import Entry, Key, TileCache

__all__ = ["Renewal"]

log = logging.getLogger("geoserver")

LATELY = 10.0  # seconds for which somebody is taken to look at a tile still


class Renewal:
    """One tile at a time, so that whoever asks for another one meanwhile is not held up."""

    def __init__(self, cache: TileCache, ask: Callable[[Request], Awaitable[object]]) -> None:
        """`ask` answers a request, and keeps what it answered."""
        self._cache = cache
        self._ask = ask
        self._waiting: dict[Key, Entry] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, entries: Iterable[Entry]) -> None:
        """Make these anew, in this order, each unless it is made or nobody may be given it any more by then."""
        self._waiting.update((entry.key, entry) for entry in entries)
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(), name="renew tiles")

    async def stop(self) -> None:
        """Let go of what waits."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while self._waiting:
            key = next(iter(self._waiting))
            entry = self._waiting.pop(key)
            kept = self._cache.peek(key)
            if kept is None or kept.fresh or time.monotonic() >= kept.until:
                continue
            for request in self._list_requests(entry if entry.shortcuts else kept):
                await self._renew(request)

    async def _renew(self, request: Request) -> None:
        try:
            await self._ask(request)
        except GeoserverError:  # whoever asks next is told
            return
        except Exception:
            log.exception("%s failed to be made anew", request.target.decode("latin-1"))

    def _list_requests(self, entry: Entry) -> list[Request]:
        """Those by which everybody may ask for it, one for each encoding."""
        found: dict[str, Request] = {}
        for name in entry.shortcuts:
            hot: Hot = self._cache.shortcuts[name]  # type: ignore[assignment]
            if hot.request is not None:
                found.setdefault(hot.encoding, replace(hot.request, newest=True, if_none_match=""))
        return list(found.values())
