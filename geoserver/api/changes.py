"""`/api/changes` and `/api/layers/{id}/changes`: server-sent events of what changed, as long as somebody listens."""

from __future__ import annotations

import asyncio
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from geoserver.access import access_of
from geoserver.access import view_of as look
from geoserver.api import params
from geoserver.api.connections import ENDLESS
from geoserver.api.following import Place, Stream
from geoserver.database import summaries
from geoserver.errors import BadParameterError, GeoserverError, NotFoundError, UnavailableError
from geoserver.filtering import build
from geoserver.turns import client_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from starlette.types import Receive, Scope, Send

    from geoserver.access import View
    from geoserver.api.following import Following
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer

router = APIRouter(prefix="/api", tags=["layers"])
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `state`, then `change` each time; it ends when `seconds` are over.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}

_ALIVE = 15  # seconds without a word after which one is said, so that proxies do not take the connection for dead
_BREATH = 1.0  # seconds between two words about changes, however many there are
_AGAIN = 2_000  # milliseconds after which a browser that lost the stream comes back
_MOST_LAYERS = 50
_LONGEST_STAY = 86_400
_LONGEST_TAKING = 30  # seconds in which a client must take what it is told

LayerIds = Annotated[str | None, Query(description="Layers to be told of, with commas between.", examples=["crime"])]
Seconds = Annotated[str | None, Query(description="How long to stay; for ever if absent.", examples=["60"])]


@router.get("/changes", summary="What changes of several layers", response_class=Response, responses=_EVENTS)
async def follow_layers(request: Request, layers: LayerIds = None, seconds: Seconds = None) -> Response:
    """One stream for all that a page shows: a browser has few connections."""
    params.read_parameters(request, ("layers", "seconds"))
    names = list(dict.fromkeys(name for name in (layers or "").split(",") if name))
    if not 0 < len(names) <= _MOST_LAYERS:
        raise BadParameterError("layers", layers or "", f"1 to {_MOST_LAYERS} ids of layers with commas between")
    return await _follow(request, names, _parse_seconds(seconds), one=False)


@router.get("/layers/{layer_id}/changes", summary="What changes of a layer", response_class=Response, responses=_EVENTS)
async def follow_layer(request: Request, layer_id: params.LayerId, seconds: Seconds = None) -> Response:
    """The same of one; under a filter with the number of rows that it leaves."""
    return await _follow(request, [layer_id], _parse_seconds(seconds), one=True)


def _parse_seconds(text: str | None) -> float:
    if text is None:
        return math.inf
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or int(text) > _LONGEST_STAY:
        raise BadParameterError("seconds", text, f"a whole number from 0 to {_LONGEST_STAY:,}")
    return int(text)


async def _follow(request: Request, names: list[str], stay: float, *, one: bool) -> Response:
    following: Following = request.app.state.following
    state = request.scope["state"]
    stream = Stream(client_of(request.scope), frozenset(names), access_of(request.scope), state.get("given"))
    told = _Told(request, stream, names, request.headers.get("last-event-id", ""), stay, one=one)
    # A layer that is not there, or a wrong filter, is an error, and no stream.
    headers = (await told.look()).headers("no-store")
    following.open(stream)
    state[ENDLESS] = stream.end
    return _Stream(told, following, headers)


class _Stream(EventSourceResponse):
    """Leaves its place however it ends."""

    def __init__(self, told: _Told, following: Following, headers: Mapping[str, str]) -> None:
        alive = ServerSentEvent(comment="still here", sep="\n")
        super().__init__(
            told.events(following),
            headers={**headers, "X-Accel-Buffering": "no"},
            ping=_ALIVE,
            ping_message_factory=lambda: alive,
            send_timeout=_LONGEST_TAKING,
            sep="\n",
        )
        self._following, self._followed = following, told.stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            head = {**scope, "method": "HEAD"} if scope.get("head") else scope
            await super().__call__(head, receive, send)
        finally:
            self._following.close(self._followed)


@dataclass
class _Told:
    """What one client is told. `last` is the id of the event that it knows already."""

    request: Request
    stream: Stream
    names: list[str]
    last: str
    stay: float
    one: bool

    def __post_init__(self) -> None:
        self.versions = dict.fromkeys(self.names, "")

    async def events(self, following: Following) -> AsyncIterator[ServerSentEvent]:
        """The state as it is, and then every change; ends when the client's key is another one, or a layer is gone."""
        until = asyncio.get_running_loop().time() + self.stay
        # Between the first look and this no time was lost, but for a stream that waited for its place.
        before = _parse_id(self.last, self.names)
        yield await self._tell_state(before)
        for name in self.names:
            if before.get(name, self.versions[name]) != self.versions[name]:
                yield await self._tell_change(name, Place())
        while True:
            left = until - asyncio.get_running_loop().time()
            if not await self._wait(left) or self.stream.ended or not following.is_same(self.stream):
                return
            for name, place in self.stream.take().items():
                known = self.versions[name]
                try:
                    change = await self._tell_change(name, place)
                except NotFoundError:
                    return
                except UnavailableError:  # the database is away for a moment: told a little later
                    self.stream.owe(name, place)
                else:
                    if self.versions[name] != known:
                        yield change
            await asyncio.sleep(min(_BREATH, max(0.0, left)))

    async def _wait(self, left: float) -> bool:
        """Until there is something to do, or now and then; false when the time is over."""
        try:
            async with asyncio.timeout(min(left, _ALIVE)):
                await self.stream.woken.wait()
        except TimeoutError:
            return left > _ALIVE
        return True

    async def look(self) -> View:
        """See every layer as the client may; raises NotFoundError, BadParameterError, UnavailableError."""
        view = self._view()
        for name in self.names:
            await self._see(view, name)
        return view

    def _view(self) -> View:
        return look(self.request.app.state.services, self.request.scope)

    async def _see(self, view: View, name: str) -> tuple[Layer, LayerStatus, dict[str, Any]]:
        """The layer, and what is told of its state."""
        layer, status = await view.layer(name)
        self.versions[name] = status.stamp
        entry: dict[str, Any] = {"layer": name, "version": status.stamp}
        if self.one:
            entry |= await self._count(view, layer, status)
        return layer, status, entry

    async def _count(self, view: View, layer: Layer, status: LayerStatus) -> dict[str, int]:
        """How many rows the filter leaves, where there is one; nothing where that takes too long."""
        asked = await params.read_question(self.request, view, layer, status, also=("seconds",))
        if not asked.where.asked or not asked.where.canonical:
            return {}
        app = self.request.app
        try:
            async with app.state.questions.turn(client_of(self.request.scope), asked):
                found = await summaries.summarise(
                    app.state.services.database, layer, status, asked.where, [], whole=build(layer, status), told=True
                )
        except UnavailableError:
            return {}
        return {"count": found["count"]}

    async def _tell_state(self, before: dict[str, str]) -> ServerSentEvent:
        entries = []
        for name in self.names:
            try:
                entries.append((await self._see(self._view(), name))[2])
            except GeoserverError:  # it went away a moment ago: what comes next says so
                self.versions[name] = before.get(name, "")
        return self._event("state", {"layers": entries}, retry=_AGAIN)

    async def _tell_change(self, name: str, place: Place) -> ServerSentEvent:
        layer, _, entry = await self._see(self._view(), name)
        # Where rows or fields change that are not for the client is not for them either.
        whole = layer.rows is None and not layer.hidden
        bounds = place.bounds.as_list() if whole and place.bounds else None
        return self._event("change", {**entry, "bounds": bounds})

    def _event(self, event: str, data: object, retry: int | None = None) -> ServerSentEvent:
        return ServerSentEvent(orjson.dumps(data).decode(), event=event, id=self._id, retry=retry, sep="\n")

    @property
    def _id(self) -> str:
        if self.one:
            return self.versions[self.names[0]]
        return ",".join(f"{name}={version}" for name, version in self.versions.items())


def _parse_id(text: str, names: list[str]) -> dict[str, str]:
    """Versions by layer, as far as an id tells them."""
    if "=" not in text:
        return dict.fromkeys(names, text) if text else {}
    pairs = (part.partition("=") for part in text.split(","))
    return {name: version for name, _, version in pairs}
