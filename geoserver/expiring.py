"""Rows that expire, and which layers wait for many of them to be removed; the worker of `editing` does so.

Mostly rows leave their table as they expire, and what is counted follows them as it follows every edit. Where many
should have left a while ago, as when no server ran for a day, the layer is out of service until they have: nobody is
told of rows that are true no more, and nothing that is kept needs to know what time it is.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from geoserver.database.connecting import SettingsOf, connect
from geoserver.database.expiry import BATCH, expires, index_times, list_late, remove_expired
from geoserver.database.fitting import fit
from geoserver.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer

__all__ = ["Late", "remove_as_they_expire"]

log = logging.getLogger("geoserver")

_LOOK = 0.2  # seconds between two looks whether rows have expired
_RETRY = 2.0  # seconds until what could not be removed is tried again
_INDEX_AGAIN = 60.0  # seconds until an index that could not be made is tried again; until then rows are found without
_REMOVING = SettingsOf(lock_timeout="1s", statement_timeout="30s")


class Late:
    """One per process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._layers: frozenset[str] = frozenset()

    def __contains__(self, layer_id: str) -> bool:
        return layer_id in self._layers

    def check(self, layer_id: str) -> None:
        """Raises UnavailableError for a layer that waits."""
        if layer_id in self._layers:
            raise UnavailableError(f"Expired rows of {layer_id} are being removed; try again in a few seconds.")

    async def look(self, catalog: Catalog, statuses: Mapping[str, LayerStatus]) -> bool:
        """Look again; gives whether other layers wait by now."""
        declared = [layer for layer in catalog.layers.values() if layer.id in statuses and expires(layer)]
        found = [fit(layer, statuses[layer.id], catalog.recipes).layer for layer in declared]
        loaded = [layer for layer in found if layer is not None and expires(layer)]
        before, self._layers = self._layers, await list_late(self._database, loaded, self._layers)
        for layer_id in sorted(self._layers - before):
            log.warning("Layer %s is out of service until its expired rows are removed, for there are many", layer_id)
        for layer_id in sorted(before - self._layers):
            log.info("Expired rows of layer %s are removed, and it is in service", layer_id)
        return self._layers != before


async def remove_as_they_expire(url: str, list_expiring: Callable[[], list[Layer]]) -> None:
    """Until it is cancelled; of many rows a batch after the other, at half of the time at most: the rest is for telling
    of it, for folding and for others' edits.
    """
    remover = _Remover(url)
    try:
        while True:
            started, more = time.monotonic(), False
            layers = list_expiring()
            if layers:
                more = await asyncio.to_thread(remover.remove, layers)
            took = time.monotonic() - started
            await asyncio.sleep(max(took, 0 if more else _LOOK))
    finally:  # it may be at work still
        asyncio.get_running_loop().run_in_executor(None, remover.close)


@dataclass(slots=True)
class _Rest:
    """When a layer's expired rows, and their index, are tried again after a fault."""

    layer: Layer | None = None  # whose field is known to have an index
    index: float = 0.0
    rows: float = 0.0
    told: str = ""  # of the fault, once


class _Remover:
    """Keeps its connection: to make one takes longer than to look whether rows have expired."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._own: psycopg.Connection | None = None
        self._closed = False
        self._rests: dict[str, _Rest] = defaultdict(_Rest)
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._own is not None:
                self._own.close()

    def remove(self, layers: list[Layer]) -> bool:
        """A batch of each; gives whether there may be more."""
        more = False
        with self._lock:
            if self._closed:
                return False
            if self._own is None:
                self._own = connect(self._url, autocommit=True, application="geoserver editing", settings=_REMOVING)
            for layer in layers:
                more = _remove(self._own, layer, self._rests[layer.id]) or more
        return more


def _remove(own: psycopg.Connection, layer: Layer, rest: _Rest) -> bool:
    """A batch of one layer; gives whether there may be more."""
    now = time.monotonic()
    if rest.layer is not layer and now >= rest.index:
        rest.index = now + _INDEX_AGAIN
        if _try(own, layer, rest, index_times) is not None:
            rest.layer = layer
    if now < rest.rows:
        return False
    removed = _try(own, layer, rest, remove_expired)
    rest.rows = now + _RETRY if removed is None else 0.0
    rest.told = rest.told if removed is None else ""
    return removed == BATCH


def _try[T](
    connection: psycopg.Connection, layer: Layer, rest: _Rest, work: Callable[[psycopg.Connection, Layer], T]
) -> T | None:
    """What the work gives; None where it cannot be done now, which holds up no other layer."""
    try:
        return work(connection, layer)
    except psycopg.Error as error:  # a load takes the table's place, somebody's own trigger or key refuses
        if connection.closed:
            raise
        if str(error) != rest.told:
            rest.told = str(error)
            log.warning("Expired rows of layer %s wait: %s", layer.id, " ".join(rest.told.split()))
    return None
