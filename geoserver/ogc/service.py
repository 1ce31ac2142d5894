"""The state behind the routes: each collection's part of the API for the address that clients use.

A part is made when its collection is first asked for, and kept until that layer changes: an edit of one layer leaves
those of all others as they are.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import anyio
import orjson

from geoserver.database.steady import hold
from geoserver.errors import NotFoundError
from geoserver.filtering import build
from geoserver.ogc import documents
from geoserver.ogc.config import build_api, build_definition, build_provider
from geoserver.ogc.page import read_times
from geoserver.ogc.provider import PostgisProvider, ServedLayer
from geoserver.questions import COSTLY, count_characters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from datetime import datetime

    from pygeoapi.api import API

    from geoserver.access import View
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.model import City, Layer
    from geoserver.questions import Questions
    from geoserver.services import Services

__all__ = ["OgcService", "Part", "Snapshot"]

_ADDRESSES_KEPT = 16  # a client may ask under several names; more addresses than these are made anew each time
_DOCUMENTS_KEPT = 64  # addresses, each for those who see the same
_SCOPED_KEPT = 256  # collections that not everybody sees
_TIMES_KEPT = 4096

type Seen = tuple[Layer, LayerStatus]
type Documents = dict[str, tuple[tuple[int, ...], bytes]]  # by name, with the state that they were made of


class Part:
    """One collection under one address. Documents are JSON texts, which take a tenth of the memory of their objects."""

    def __init__(self, service: OgcService, url: str, layer: Layer, status: LayerStatus) -> None:
        self.layer = layer
        self.status = status
        self.definition: dict[str, Any] | None = None  # its part of the OpenAPI document: JSON texts by path
        self.texts: dict[object, bytes] = {}  # of statements
        self._service = service
        self._url = url

    @functools.cached_property
    def provider(self) -> PostgisProvider:
        """The provider that pygeoapi's configuration names for the collection."""
        return build_provider(ServedLayer(self._service.services.database, self.layer, self.status))

    @functools.cached_property
    def everything(self) -> Where | None:
        """The condition of all rows that its readers may see; None where these are all that there are."""
        return None if self.layer.rows is None else build(self.layer, self.status)

    @functools.cached_property
    def tag(self) -> str:
        """Changes whenever an answer about the layer's items may change."""
        state = repr((self._url, self.layer, self.status)).encode()
        return hashlib.blake2b(state, digest_size=8).hexdigest()

    @functools.cached_property
    def collection(self) -> bytes:
        """The collection, as it stands in the list of them too."""
        return orjson.dumps(documents.build_collection(self._api, self.layer))

    @functools.cached_property
    def schema(self) -> bytes:
        """JSON Schema of its features."""
        return orjson.dumps(documents.build_schema(self._api, self.layer, self.status))

    @functools.cached_property
    def queryables(self) -> bytes:
        """JSON Schema of what a filter may name."""
        return orjson.dumps(documents.build_queryables(self._api, self.layer, self.status))

    @property
    def _api(self) -> API:
        """pygeoapi's API with this collection alone."""
        times = self._service.read_times(self.layer, self.status)
        found = {self.layer.id: times} if times else {}
        services = self._service.services
        return build_api([(self.layer, self.status)], services.database, services.settings, self._url, times=found)


class Snapshot:
    """The state under one address, as one caller sees it: `seen` are the collections that were looked up, when
    `generation` was the service's.
    """

    def __init__(self, service: OgcService, url: str, view: View, seen: Sequence[Seen], generation: int) -> None:
        self.service = service
        self.url = url  # of the landing page, without a slash at the end
        self.view = view
        self.generation = generation
        self.loaded = [found for found in seen if found[0].has_rows]
        database = service.services.database
        self._held = [
            (layer, hold(database, layer, status)) for layer, status in self.loaded
        ]  # documents tell of these
        self._state = (generation, *(status.version for layer, status in self._held if layer.live))

    @property
    def parts(self) -> dict[str, Part]:
        """Every collection that was looked up, in display order."""
        return {layer.id: self.service.part(self.url, layer, status, told=True) for layer, status in self._held}

    @property
    def city(self) -> City:
        return self.service.services.live.current.city

    def document(self, name: str) -> bytes:
        """`landing`, `conformance`, `functions`, `collections` or `openapi`, as JSON; all collections must have been
        looked up.
        """
        kept = self.service.documents(self.url, self.view.scope)
        known = kept.get(name)
        if known is None or known[0] != self._state:
            known = kept[name] = (self._state, getattr(self, f"_build_{name}")())
        return known[1]

    @property
    def _api(self) -> API:
        """pygeoapi's API without any collection."""
        services = self.service.services
        return build_api([], services.database, services.settings, self.url, city=self.city)

    def _build_landing(self) -> bytes:
        return orjson.dumps(documents.build_landing(self._api, self.city))

    def _build_conformance(self) -> bytes:
        return orjson.dumps(documents.build_conformance(self._api))

    def _build_functions(self) -> bytes:
        return orjson.dumps(documents.build_functions())

    def _build_collections(self) -> bytes:
        """Those that are not there yet are made together, which takes a third of the time."""
        parts = self.parts.values()
        missing = [part for part in parts if "collection" not in vars(part)]
        if len(missing) > 1:
            self._describe(missing)
        fragments = [orjson.Fragment(part.collection) for part in parts]
        return orjson.dumps(documents.build_collections(self._api) | {"collections": fragments})

    def _describe(self, parts: Sequence[Part]) -> None:
        services, read_times = self.service.services, self.service.read_times
        loaded = [(part.layer, part.status) for part in parts]
        times = {layer.id: found for layer, status in loaded if (found := read_times(layer, status))}
        api = build_api(loaded, services.database, services.settings, self.url, times=times)
        for part in parts:
            vars(part)["collection"] = orjson.dumps(documents.build_collection(api, part.layer))

    def _build_openapi(self) -> bytes:
        """What is said of no collection, and each collection's part; those that are not there yet are made together."""
        services = self.service.services
        whole = build_definition([], services.database, services.settings, self.url, self.city)
        parts = self.parts.values()
        self._define(part for part in parts if part.definition is None)
        for part in parts:
            found = part.definition or {}
            whole["tags"] += found.get("tags", [])
            whole["paths"] |= found.get("paths", {})
        return orjson.dumps(whole)

    def _define(self, parts: Iterable[Part]) -> None:
        missing = {part.layer.id: part for part in parts}
        loaded = [(part.layer, part.status) for part in missing.values()]
        services = self.service.services
        made = build_definition(loaded, services.database, services.settings, self.url) if loaded else {"paths": {}}
        paths: dict[str, dict[str, Any]] = {layer_id: {} for layer_id in missing}
        for path, item in made["paths"].items():
            layer_id = path.removeprefix("/collections/").partition("/")[0]
            if layer_id in paths:
                paths[layer_id][path] = orjson.Fragment(orjson.dumps(item))
        for layer_id, part in missing.items():
            tags = [tag for tag in made["tags"] if tag["name"] == layer_id]
            part.definition = {"paths": paths[layer_id], "tags": tags}


class OgcService:
    """Hands out snapshots, and keeps what they are made of until catalogue or rows change."""

    def __init__(self, services: Services, questions: Questions) -> None:
        self.services = services
        self.questions = questions
        self.limiter = anyio.CapacityLimiter(services.settings.ogc_threads)
        # By address, those that everybody sees, by id and whether documents are made of them; and others.
        self._parts: OrderedDict[str, dict[tuple[str, bool], Part]] = OrderedDict()
        self._scoped: OrderedDict[tuple[str, str, str, bool], Part] = OrderedDict()
        self._documents: OrderedDict[tuple[str, str], Documents] = OrderedDict()  # by address and scope
        self._times: OrderedDict[tuple[str, str], tuple[tuple[str, int], tuple[datetime, datetime]]] = OrderedDict()
        self.generation = 0  # another one after any change
        self._lock = threading.Lock()
        services.on_change(self.forget)

    @contextlib.asynccontextmanager
    async def turn(self, client: str, values: Mapping[str, str]) -> AsyncIterator[None]:
        """The time to take a thread; of a client's costly questions one after the other, so that it leaves some free.

        Raises UnavailableError when too many wait.
        """
        async with contextlib.AsyncExitStack() as held:
            if count_characters(values.values()) >= COSTLY:
                await held.enter_async_context(self.questions.costly.turn(client))
            await held.enter_async_context(self.questions.ogc.turn(client))
            yield

    def forget(self) -> None:
        """Let what is made of all layers be made anew when it is next asked for."""
        self.generation += 1

    def part(self, url: str, layer: Layer, status: LayerStatus, *, told: bool = False) -> Part:
        """A collection; the same one as long as the layer and what is loaded of it stay. Documents, in which it is
        `told` of, are made of states that are held for a while, features of that which there is.
        """
        with self._lock:
            if layer.scope:
                name = (url, layer.id, layer.scope, told)
                part = self._scoped.pop(name, None)
                if part is None or part.layer is not layer or part.status is not status:
                    part = Part(self, url, layer, status)
                self._scoped[name] = part
                _shorten(self._scoped, _SCOPED_KEPT)
                return part
            parts = self._parts.pop(url, {})
            self._parts[url] = parts  # the latest used is the last
            _shorten(self._parts, _ADDRESSES_KEPT)
            part = parts.get((layer.id, told))
            if part is None or part.layer is not layer or part.status is not status:
                part = parts[layer.id, told] = Part(self, url, layer, status)
                known = self.services.live.current.layers
                for gone in [key for key in parts if key[0] not in known]:
                    del parts[gone]
            return part

    def documents(self, url: str, scope: str) -> Documents:
        """What was made of all collections under an address, for those who see the same of them."""
        with self._lock:
            found = self._documents.pop((url, scope), {})
            self._documents[url, scope] = found
            _shorten(self._documents, _DOCUMENTS_KEPT)
            return found

    async def snapshot(self, url: str, view: View, layer_id: str | None) -> Snapshot:
        """The state under the address of the landing page: of one collection, or of all.

        Raises NotFoundError that lists those there are, UnavailableError while none are known.
        """
        generation = self.generation  # before it is waited: what is looked up may be old by then
        if layer_id is None:
            return Snapshot(self, url, view, await view.layers(), generation)
        found = await view.layer(layer_id)
        if not found[0].has_rows:
            others = [layer.id for layer, _ in await view.layers() if layer.has_rows]
            raise NotFoundError("collection", layer_id, "one of " + ", ".join(others))
        return Snapshot(self, url, view, [found], generation)

    def read_times(self, layer: Layer, status: LayerStatus) -> tuple[datetime, datetime] | None:
        """First and last time of a layer, asked for once per version and name of the time field."""
        key, name = (layer.time, status.version), (layer.id, layer.scope)
        if (known := self._times.get(name)) is not None and known[0] == key:
            return known[1]
        times = read_times(self.services.database, layer, status)
        if times is not None:
            self._times[name] = (key, times)
            _shorten(self._times, _TIMES_KEPT)
        return times


def _shorten(kept: OrderedDict[Any, Any], most: int) -> None:
    """Let go of the oldest."""
    while len(kept) > most:
        kept.popitem(last=False)
