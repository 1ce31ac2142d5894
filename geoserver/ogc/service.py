"""The state behind the routes: pygeoapi's API for the address that clients use, made anew when a layer changes."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
from pygeoapi.plugin import load_plugin
from pygeoapi.provider import get_provider_by_type

from geoserver.errors import NotFoundError
from geoserver.ogc.config import build_api
from geoserver.ogc.page import read_times
from geoserver.ogc.provider import PostgisProvider
from geoserver.questions import COSTLY, count_characters

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from datetime import datetime

    from pygeoapi.api import API

    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer
    from geoserver.questions import Questions
    from geoserver.services import Services

__all__ = ["OgcService", "Snapshot"]

_ADDRESSES_KEPT = 16  # a client may ask under several names; more addresses than these are made anew each time


@dataclass(frozen=True)
class Snapshot:
    """One consistent state of everything, under one address; documents are made when first asked for."""

    api: API
    layers: dict[str, tuple[Layer, LayerStatus]]
    _documents: dict[tuple[str, ...], Any] = field(default_factory=dict)
    _tags: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Address of the landing page, without a slash at the end."""
        return str(self.api.base_url)

    def document(self, key: tuple[str, ...], build: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A document that is built once; callers do not write into it."""
        if key not in self._documents:
            self._documents[key] = build()
        found: dict[str, Any] = self._documents[key]
        return found

    def provider(self, layer_id: str) -> PostgisProvider:
        """The provider that pygeoapi's configuration names for a collection."""
        providers = self.api.config["resources"][layer_id]["providers"]
        found: PostgisProvider = load_plugin("provider", get_provider_by_type(providers, "feature"))
        return found

    def tag(self, layer_id: str) -> str:
        """Changes whenever an answer about this layer's items may change."""
        if layer_id not in self._tags:
            state = repr((self.url, self.layers[layer_id])).encode()
            self._tags[layer_id] = hashlib.blake2b(state, digest_size=8).hexdigest()
        return self._tags[layer_id]


class OgcService:
    """Hands out snapshots; a change of catalogue or rows swaps them."""

    def __init__(self, services: Services, questions: Questions) -> None:
        self.services = services
        self.questions = questions
        self.limiter = anyio.CapacityLimiter(services.settings.ogc_threads)
        self._snapshots: OrderedDict[str, Snapshot] = OrderedDict()
        self._times: dict[tuple[str, str, int], tuple[datetime, datetime]] = {}
        self._generation = 0
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
        """Let the next request build everything from the present state."""
        with self._lock:
            self._generation += 1
            self._snapshots.clear()

    def snapshot(self, url: str) -> Snapshot:
        """The present state under the address of the landing page."""
        with self._lock:
            generation = self._generation
            if (known := self._snapshots.get(url)) is not None:
                self._snapshots.move_to_end(url)
                return known
        loaded = [(layer, status) for layer, status in self.services.loaded() if layer.has_rows]
        api = build_api(loaded, self.services.database, self.services.settings, url, self._read_times(loaded))
        made = Snapshot(api, {layer.id: (layer, status) for layer, status in loaded})
        with self._lock:
            if generation == self._generation:
                self._snapshots[url] = made
                while len(self._snapshots) > _ADDRESSES_KEPT:
                    self._snapshots.popitem(last=False)
        return made

    def _read_times(self, loaded: list[tuple[Layer, LayerStatus]]) -> dict[str, tuple[datetime, datetime]]:
        """First and last time of each layer, asked for once per version and name of the time field."""
        found = {}
        for layer, status in loaded:
            key = (layer.id, layer.time, status.version)
            if key not in self._times and (times := read_times(self.services.database, layer)):
                self._times = {old: kept for old, kept in self._times.items() if old[0] != layer.id} | {key: times}
            if key in self._times:
                found[layer.id] = self._times[key]
        return found

    def layer(self, snapshot: Snapshot, layer_id: str) -> tuple[Layer, LayerStatus]:
        """A collection; raises NotFoundError that lists those there are, UnavailableError while none are known."""
        if (found := snapshot.layers.get(layer_id)) is not None:
            return found
        self.services.layer(layer_id)  # explains a layer that is not loaded, or a database that is away
        raise NotFoundError("collection", layer_id, "one of " + ", ".join(snapshot.layers))
