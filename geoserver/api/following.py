"""Who wants to be told of changes, and of which: streams, in number and by client, and what each is owed.

A change is told when what is known of its layer has been read again, so that whoever asks then gets the new state.
Where it lies is told if every version since the last told one came with a notice of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geoserver.access import NOBODY
from geoserver.errors import TooManyError, UnavailableError
from geoserver.grid import join, tile_bounds
from geoserver.model import Bounds, Tile

if TYPE_CHECKING:
    from geoserver.access import Access
    from geoserver.database.notices import Notice
    from geoserver.gate import Gate
    from geoserver.gate.credentials import Given
    from geoserver.services import Services
    from geoserver.settings import Settings

__all__ = ["Following", "Place", "Stream"]

_SHARE = 8  # of all streams that one client may have, as a divisor
_WAIT = 30  # seconds after which a client that found no place may ask again
_PATIENCE = 2.0  # seconds for which a change that was read waits for the notice that tells where it is
_REMEMBERED = 100  # notices of a layer between two readings whose places are put together


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layer changed; without bounds it may be anywhere."""

    bounds: Bounds | None = None

    def join(self, other: Place | None) -> Place:
        """A place for both."""
        if other is None:
            return self
        known = self.bounds is not None and other.bounds is not None
        return Place(join(self.bounds, other.bounds)) if known else Place()


@dataclass(eq=False, slots=True)
class Stream:
    """One that is open: `owed` are changes that it is not told yet; `woken` says that there is something to do."""

    client: str
    layers: frozenset[str]
    access: Access = NOBODY
    given: Given | None = None
    owed: dict[str, Place] = field(default_factory=dict)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False

    def owe(self, layer_id: str, place: Place) -> None:
        self.owed[layer_id] = place.join(self.owed.get(layer_id))
        self.woken.set()

    def end(self) -> None:
        """Its client is to leave, and come back where there is another server."""
        self.ended = True
        self.woken.set()

    def take(self) -> dict[str, Place]:
        """What it is owed, which it is told now."""
        owed, self.owed = self.owed, {}
        self.woken.clear()
        return owed


class Following:
    """One per process."""

    def __init__(self, settings: Settings, gate: Gate) -> None:
        self.most = min(settings.max_streams, settings.max_connections // 2)
        self.each = max(1, self.most // _SHARE)
        self._gate = gate
        self._looking: asyncio.Future[None] | None = None
        self._streams: dict[Stream, None] = {}
        self._clients: Counter[str] = Counter()
        self._told: dict[str, tuple[object, int]] = {}  # of each layer when it was loaded, and the version last told
        self._noticed: dict[str, dict[int, Notice]] = {}  # what was told since the last reading, by version
        self._awaited: dict[str, float] = {}  # layers with a change whose notice may still come, since when
        self._access: dict[str, str] = {}  # to each layer that there is, as its file says it

    def __len__(self) -> int:
        return len(self._streams)

    def attach(self, services: Services) -> None:
        """Be told by these; anew with every start of the app."""
        self._services = services
        self._told.clear()
        self._noticed.clear()
        self._awaited.clear()
        self._access.clear()
        services.on_notice(self._note)
        services.on_change(self._tell)
        services.on_access(lambda _: self._look_at_keys())

    def open(self, stream: Stream) -> None:
        """Let one more in; raises TooManyError for one too many of a client, UnavailableError of all."""
        if len(self._streams) >= self.most:
            detail = f"This server has {self.most} streams of changes open already; look for changes by asking again."
            raise UnavailableError(detail, retry_after=_WAIT)
        if self._clients[stream.client] >= self.each:
            detail = f"You have {self.each} streams of changes open already; one can tell of many layers."
            raise TooManyError(detail, _WAIT)
        self._clients[stream.client] += 1
        self._streams[stream] = None

    def close(self, stream: Stream) -> None:
        if stream in self._streams:
            del self._streams[stream]
            self._clients -= Counter([stream.client])

    def is_same(self, stream: Stream) -> bool:
        """Whether whoever opened it may see by their key or session what they might then."""
        return stream.given is None or self._gate.recall_access(stream.given) == stream.access

    def _note(self, notice: Notice) -> None:
        """Remember where it was, until the state is read."""
        if notice.tiles == ():
            return  # it tells how far something is prepared
        places = self._noticed.setdefault(notice.layer, {})
        places[notice.version] = notice
        if len(places) > _REMEMBERED:
            del places[next(iter(places))]  # the first that came: one of a version that is never reached goes, too

    def _tell(self) -> None:
        """What is known has been read: owe every stream what is another than it was told."""
        before, noticed = self._told, self._noticed
        self._told, self._noticed = {}, {}  # a notice that came while it was read may be newer
        loaded = self._services.loaded()
        for layer, status in loaded:
            now = status.loaded_at, status.version
            self._told[layer.id] = now
            known, places = before.get(layer.id), noticed.get(layer.id, {})
            if newer := {version: place for version, place in places.items() if version > status.version}:
                self._noticed[layer.id] = newer
            if before and known != now:
                place = _put_together(known, now, places)
                told = known is None or known[0] != now[0] or _is_told(known, now, places)
                if known is not None and not told and self._wait_for_notice(layer.id):
                    self._told[layer.id], self._noticed[layer.id] = known, places
                    continue
                self._awaited.pop(layer.id, None)
                for stream in self._streams:
                    if layer.id in stream.layers:
                        stream.owe(layer.id, place)
        self._note_access({layer.id: layer.access for layer, _ in loaded})
        self._wake_known()

    def _wait_for_notice(self, layer_id: str) -> bool:
        """Whether a notice of what was read just now may still come, and tell where that is."""
        if layer_id not in self._awaited:
            self._awaited[layer_id] = time.monotonic()
            asyncio.get_running_loop().call_later(_PATIENCE, self._tell)
        return time.monotonic() - self._awaited[layer_id] < _PATIENCE

    def _note_access(self, access: dict[str, str]) -> None:
        """Layers that are gone, or not for the same readers as before: whoever follows one is to look at it again."""
        before, self._access = self._access, access
        for name in [name for name, was in before.items() if access.get(name) != was]:
            for stream in self._streams:
                if name in stream.layers:
                    stream.owe(name, Place())

    def _look_at_keys(self) -> None:
        """Keys changed; the gate, which is told at the same time, reads them first."""
        self._looking = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        with contextlib.suppress(UnavailableError):
            await self._gate.look()
        self._wake_known()

    def _wake_known(self) -> None:
        """Those who are somebody may see something else now."""
        for stream in self._streams:
            if stream.given is not None:
                stream.woken.set()


def _bounds_of(notice: Notice) -> Bounds | None:
    if notice.tiles is None:
        return None
    bounds: Bounds | None = None
    for z, x0, y0, x1, y1 in notice.tiles:
        first, last = tile_bounds(Tile(z, x0, y0)), tile_bounds(Tile(z, x1, y1))
        bounds = join(bounds, Bounds(first.west, last.south, last.east, first.north))
    return bounds


def _put_together(known: tuple[object, int] | None, now: tuple[object, int], noticed: dict[int, Notice]) -> Place:
    """Where a layer changed from one version to another; anywhere, where not every step in between is known."""
    if known is None or known[0] != now[0]:
        return Place()
    if not _is_told(known, now, noticed):
        return Place()
    place: Place | None = None
    for notice in _list_between(known, now, noticed):
        place = Place(_bounds_of(notice)).join(place)
    return place or Place()


def _is_told(known: tuple[object, int], now: tuple[object, int], noticed: dict[int, Notice]) -> bool:
    """Whether notices have told of every version in between."""
    return sum(notice.steps for notice in _list_between(known, now, noticed)) >= now[1] - known[1]


def _list_between(known: tuple[object, int], now: tuple[object, int], noticed: dict[int, Notice]) -> list[Notice]:
    return [notice for version, notice in noticed.items() if known[1] < version <= now[1]]
