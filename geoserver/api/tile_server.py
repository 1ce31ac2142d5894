"""Tile requests, answered before routing and validation: memory first, else `tiling.render`, through one cache.

A hot tile is found by the very bytes of its address and goes out as prebuilt headers; `protocol` does the same before
the request has even become a task.
"""

from __future__ import annotations

import asyncio
import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geoserver import tiling
from geoserver.access import NOBODY, Access, View, name_grants
from geoserver.api.renewal import LATELY, Renewal
from geoserver.api.tile_headers import TileHeaders, render_lines
from geoserver.api.tile_versions import Versions, sight_of
from geoserver.api.tiles import Part, build_parts, parse_content, parse_tile
from geoserver.encodings import IDENTITY
from geoserver.errors import OvertakenError
from geoserver.etags import is_known
from geoserver.tiling.cache import Entry, Key, TileCache
from geoserver.tiling.flights import Flights, Found, Made
from geoserver.tiling.ranges import TileRange
from geoserver.tiling.results import Result, ResultKey, Results

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.api.tile_headers import RawHeaders
    from geoserver.database.notices import Notice
    from geoserver.model import Tile
    from geoserver.questions import Questions
    from geoserver.services import Services
    from geoserver.settings import Settings
    from geoserver.tiling.cells import Cells

__all__ = ["Answer", "Hot", "Request", "TileServer", "wants_newest"]

_IN_THREAD = 50_000  # bytes; compressing more than that would hold up the other requests for a millisecond
_FILLED = 0.85  # of the memory set for tiles; the rest is what lies idle between tiles of many sizes that come and go
_ATTEMPTS = 3  # to read a question while catalogue and rows change
_LONGEST = 2_000  # bytes of an address that is worth to be remembered


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a tile as it came."""

    path: tuple[str, str, str, str, str]  # layers, zoom, column, row and ending as they stand in the address
    query: str
    client: str = ""
    target: bytes = b""  # the address
    encoding: str = IDENTITY  # that the client would like best
    if_none_match: str = ""
    access: Access = NOBODY
    newest: bool = False  # nothing else will do


@dataclass(frozen=True, slots=True)
class Question:
    """A tile request that is understood: what the cache calls it, and what to render."""

    key: Key
    versions: tuple[str, ...]
    tile: Tile
    content: tiling.TileContent
    parts: list[Part]
    client: str
    scope: str = ""  # of what the caller may see of the layers; empty where everybody sees that


@dataclass(slots=True)
class Hot:
    """A remembered answer: status, tag, and its own header lines after those that all such answers share."""

    entry: Entry
    encoding: str
    status: int
    etag: bytes
    headers: RawHeaders  # those that all such answers share
    shared: bytes  # the same as lines
    own: bytes  # header lines and the empty one
    private: bool = False  # not everybody sees that
    request: Request | None = None  # to ask again by, where somebody is to do so for everybody


@dataclass(slots=True)
class Answer:
    """An HTTP answer without a library."""

    status: int
    headers: RawHeaders
    body: bytes = b""


class TileServer:
    """Everything between a tile's address and its bytes; one per process."""

    def __init__(self, settings: Settings, headers: Mapping[str, str], questions: Questions) -> None:
        """`headers` are those that every answer about open data carries."""
        self.questions = questions
        self.cache = TileCache(int(settings.tile_cache_mb * 2**20 * _FILLED))
        self.flights = Flights(self.cache)
        self.results = Results(settings.results_mb * 2**20)
        self.renewal = Renewal(self.cache, self.answer)
        self.hits = self.misses = self.stale = 0
        self.services: Services
        self.headers = TileHeaders(headers, settings.tile_max_age)
        self._versions: Versions
        self._restricted: set[str] = set()  # layers of which some tile is remembered for some callers
        self._packing: dict[tuple[int, str], asyncio.Task[bytes]] = {}

    def attach(self, services: Services) -> None:
        """Serve the layers of these services, and follow their changes."""
        self.services = services
        self._versions = Versions(services)
        services.on_change(self._follow_catalog)
        services.on_notice(self._follow_rows)

    async def stop(self) -> None:
        """End what is under way and let go of every tile."""
        await self.renewal.stop()
        await self.flights.stop()
        await asyncio.gather(*self._packing.values(), return_exceptions=True)
        await self.results.stop()
        self.cache.clear()

    def find_hot(self, target: bytes, encoding: str, grants: bytes = b"", *, newest: bool = False) -> Hot | None:
        """The remembered answer to a request for these very bytes of an address, if it is still the newest.

        Those with other `grants`, by `name_grants`, have answers of their own. Unless `newest` is asked for, one that
        is being made anew is given for as long as its layer allows.
        """
        hot = self.cache.shortcuts.get((target, encoding, grants))
        if hot is None:
            return None
        assert isinstance(hot, Hot)  # noqa: S101 - for the type checker
        if not hot.entry.fresh and (newest or time.monotonic() >= hot.entry.until):
            return None
        self.cache.use(hot.entry)
        self.hits += 1
        return hot

    def head_of(self, hot: Hot, *, unchanged: bool) -> bytes:
        """The header lines of a remembered answer, or of the 304 in its place."""
        if unchanged:
            return self._without_content(hot)[1] + b"etag: " + hot.etag + b"\r\n\r\n"
        return hot.shared + hot.own

    def _without_content(self, hot: Hot) -> tuple[RawHeaders, bytes]:
        return self.headers.find(304, IDENTITY, tiling.VECTOR, private=hot.private)

    def build_hot_answer(self, hot: Hot, if_none_match: str) -> Answer:
        """The same for ASGI."""
        etag = (b"etag", hot.etag)
        if is_known(if_none_match, hot.etag.decode()):
            return Answer(304, [*self._without_content(hot)[0], etag])
        if hot.status == 204:  # noqa: PLR2004
            return Answer(204, [*hot.headers, etag])
        body = hot.entry.encodings[hot.encoding]
        length = (b"content-length", str(len(body)).encode())
        return Answer(200, [*hot.headers, etag, length], body)

    async def answer(
        self,
        request: Request,
    ) -> Answer:
        """The whole answer.

        Raises NotFoundError, BadParameterError and UnavailableError.
        """
        asked = await self.parse(request)
        encoding = request.encoding if asked.content.shrinks else IDENTITY
        entry = self.flights.fresh(asked.key, asked.versions, put_off=not request.newest)
        if entry is not None:
            found = Found(entry, stale=False)
            self.hits += 1
        else:
            try:
                found = await self.obtain(asked)
            except OvertakenError:
                await self.services.look_again()
                asked = await self.parse(request)
                found = await self.obtain(asked)
            self.stale += found.stale
            self.misses += not found.stale
        if not request.newest:
            self.cache.use(found.entry)
        body = await self._encode(found.entry, encoding)
        return self._build_answer(found, encoding, asked, body, request)

    async def parse(self, request: Request) -> Question:
        """What is asked for; raises NotFoundError, BadParameterError, UnavailableError while no layer is known yet."""
        _, z, x, y, ending = request.path
        view, parts = await self._read_parts(request)
        tile = parse_tile(z, x, y, [part.layer for part in parts])
        return self._build_question(parts, tile, parse_content(ending, parts), request.client, view.scope)

    def _build_question(
        self, parts: list[Part], tile: Tile, content: tiling.TileContent, client: str, scope: str
    ) -> Question:
        ids = tuple(part.layer.id for part in parts)
        filters, plans = tuple(part.where.canonical for part in parts), tuple(part.features_from for part in parts)
        key = Key(ids, tile.z, tile.x, tile.y, filters, plans, tuple(map(sight_of, parts)))
        for part in parts:
            self._versions.note(part)
        versions = tuple(map(self._versions.find, parts))
        return Question(key, versions, tile, content, parts, client, scope)

    async def read(self, parts: list[Part], tile: Tile, client: str) -> Found:
        """A tile of what was understood before, for a picture that is made of it; raises what `answer` does."""
        content = tiling.tile_content([(part.layer, part.status) for part in parts])
        asked = self._build_question(parts, tile, content, client, "")
        entry = self.flights.fresh(asked.key, asked.versions)
        return Found(entry, stale=False) if entry is not None else await self.obtain(asked)

    async def _read_parts(self, request: Request) -> tuple[View, list[Part]]:
        """The layers as they are served at the end of reading: what takes its time may be overtaken by a change.

        Raises OvertakenError where they become others again and again.
        """
        for _ in range(_ATTEMPTS):
            view = View(self.services, request.access)
            parts = await build_parts(view, self.questions, request.client, request.path[0], request.query)
            if all(map(self._versions.is_newest, parts)):
                return view, parts
        if not all(map(self._versions.is_served, parts)):
            raise OvertakenError
        return view, parts  # rows change all the time: what is made of them so is not kept

    async def obtain(self, asked: Question) -> Found:
        """The tile from memory or from its layers, each of which is kept for itself, too."""
        if len(asked.parts) == 1:
            return await self._obtain_part(asked, 0)
        return await self.flights.get(asked.key, asked.versions, lambda: self._join(asked))

    async def _join(self, asked: Question) -> Made:
        """All parts at once, as far as there are connections: a tile of several layers is their bytes in a row."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._obtain_part(asked, at)) for at in range(len(asked.parts))]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        found = [task.result() for task in tasks]
        return Made(b"".join(item.entry.read_body() for item in found), not any(item.stale for item in found))

    async def _obtain_part(self, asked: Question, at: int) -> Found:
        part, key = asked.parts[at], asked.key
        services = self.services
        if not self._versions.is_served(part):
            raise OvertakenError
        newest, catalog = self._versions.is_newest(part), services.live.current

        async def render() -> Made:
            points = await self._find_points(part, asked.client, asked.tile.z)
            plan = self.results.find(self._result_key(part)) if part.where.canonical else None
            make = functools.partial(
                tiling.render,
                services.database,
                catalog,
                part.layer,
                part.status,
                asked.tile,
                where=part.where,
                features_from=part.features_from,
                points=points,
                fits=plan is not None and part.features_from >= plan.features_from,
                few=plan is not None and plan.is_sparse(part.status),
            )
            if points is not None:
                return Made(await make(), newest)
            async with self.questions.turn(asked.client, part.asked):
                return Made(await make(), newest)

        own = Key((part.layer.id,), key.z, key.x, key.y, (key.filters[at],), (key.plans[at],), (key.sights[at],))
        away = bool(services.database_problem) and tiling.source_of(part.layer).needs_database
        return await self.flights.get(own, (asked.versions[at],), render, away=away)

    async def find_plan(self, part: Part, client: str) -> int | None:
        """The zoom from which on all that the filter leaves is drawn; None for the layer's own, without a filter."""
        if not part.where.asked:
            return None
        result = await self._find_result(part, client)
        return None if result is None else result.features_from

    async def _find_points(self, part: Part, client: str, zoom: int) -> Cells | None:
        """What the tiles of a zoom are made of in memory; None where PostGIS has to make them."""
        layer, status, where = part.layer, part.status, part.where
        if not (layer.has_rows and where.canonical and self.results.limit):
            return None
        planned = part.features_from < status.plan.features_from  # by TileJSON, which has read it
        if not (planned or self.results.knows(self._result_key(part))):
            async with self.questions.turn(client, part.asked):
                if await tiling.is_dear(self.services.database, layer, status, where, zoom):
                    return None
        result = await self._find_result(part, client)
        points = result.find_points(zoom, part.features_from) if result else None
        if points is None and result and result.few:
            rows = await self._find_result(part, client, rows=True)
            return rows.held if rows else None
        return points

    async def _find_result(self, part: Part, client: str, *, rows: bool = False) -> Result | None:
        """What the filter leaves of the layer, read in turn if it has to be; None where nothing is filtered."""
        layer, status, where = part.layer, part.status, part.where
        if not (layer.has_rows and where.canonical):
            return None
        services = self.services

        async def read() -> Result:
            async with self.questions.turn(client, part.asked):
                if rows:
                    return await tiling.read_rows(services.database, layer, status, where)
                return await tiling.read_result(services.database, services.live.current, layer, status, where)

        return await self.results.get(self._result_key(part)._replace(rows=rows), read, client)

    def _result_key(self, part: Part) -> ResultKey:
        return ResultKey(part.layer.id, self._versions.find(part), part.status.version, part.where.canonical)

    async def _encode(self, entry: Entry, encoding: str) -> bytes:
        """The entry's bytes in an encoding: made once, in a thread where it takes long."""
        if (held := entry.encodings.get(encoding)) is not None:
            if encoding == IDENTITY:
                entry.plain = True
            return held
        if entry.is_empty:
            return b""
        if sum(map(len, entry.encodings.values())) <= _IN_THREAD:
            body = entry.encode(encoding)
            self.cache.keep(entry, encoding, body)
            return body
        name = (id(entry), encoding)
        if (task := self._packing.get(name)) is None:
            task = asyncio.create_task(self._pack(entry, encoding), name="compress")
            self._packing[name] = task
            task.add_done_callback(lambda _: self._packing.pop(name, None))
        return await asyncio.shield(task)

    async def _pack(self, entry: Entry, encoding: str) -> bytes:
        body = await asyncio.to_thread(entry.encode, encoding)
        self.cache.keep(entry, encoding, body)
        return body

    def _build_answer(self, found: Found, encoding: str, asked: Question, body: bytes, request: Request) -> Answer:
        entry, content, private = found.entry, asked.content, bool(asked.scope)
        suffix = ("" if encoding == IDENTITY else f"-{encoding}") + (f"-{asked.scope}" if private else "")
        etag = f'"{entry.digest}{suffix}"'
        status = 200 if body else 204
        own = [(b"etag", etag.encode()), *([(b"content-length", str(len(body)).encode())] if body else [])]
        if found.stale:
            shared = self.headers.build_stale(status, encoding, content, private=private)
        else:
            shared, lines = self.headers.find(status, encoding, content, private=private)
            # Where rows of other layers have a say, an edit of theirs must be seen: by its address nobody looks for it.
            lasting = not any(part.asked.elsewhere for part in asked.parts)
            if lasting and len(request.target) <= _LONGEST and not request.access.read_only:
                hot = Hot(entry, encoding, status, own[0][1], shared, lines, render_lines(own, end=True), private)
                if private:
                    self._restricted.update(entry.key.layers)
                elif any(part.layer.live and part.layer.live.age for part in asked.parts):
                    hot.request = request
                name = (request.target, request.encoding, name_grants(request.access.grants))
                if all(map(self._versions.is_served, asked.parts)):  # it may have been closed while this was packed
                    self.cache.add_shortcut(entry, name, hot, (4 if hot.request else 1) * len(request.target))
        if is_known(request.if_none_match, etag):
            shared = [line for line in shared if line[0] not in (b"content-type", b"content-encoding")]
            return Answer(304, [*shared, own[0]])
        return Answer(status, [*shared, *own], body)

    def _follow_catalog(self) -> None:
        """A layer that went or is declared otherwise must not be seen as it was; new rows only make tiles old.

        What there is of a layer that stayed as it was stays, whatever happened to others.
        """
        for layer_id in self._restricted:  # who may see what of them may be another matter now
            self.cache.drop_shortcuts(layer_id)
        self._restricted.clear()
        for change in self._versions.follow():
            self.cache.drop_shortcuts(change.layer)
            self.results.drop(change.layer)
            if change.over:
                self.flights.forget(change.layer)
            else:
                self.flights.drop(change.layer, None)

    def _follow_rows(self, notice: Notice) -> None:
        self.results.drop(notice.layer, notice.version)
        ranges = None if notice.tiles is None else [TileRange(*item) for item in notice.tiles]
        found, now = self.services.find(notice.layer), time.monotonic()
        if ranges and found is not None and (live := found[0].live) and live.age:
            self.renewal.add(self.flights.put_off(notice.layer, ranges, since=now - LATELY, until=now + live.age))
        else:
            self.flights.drop(notice.layer, ranges)


def wants_newest(cache_control: bytes) -> bool:
    """Whether a request's Cache-Control says that only the newest answer will do, as of a page that was told of it."""
    said = cache_control.lower()
    return b"no-cache" in said or b"max-age=0" in said
