"""Grants whose row filter does not fit a layer that they name: they open nothing of it, and operators are told."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from geoserver.errors import BadParameterError
from geoserver.gate.grants import fit_rows
from geoserver.gate.making import read_grants

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.catalog import Catalog
    from geoserver.database.keys import StoredKey
    from geoserver.gate.ring import Gate
    from geoserver.model import Grant, Layer
    from geoserver.services import Services

__all__ = ["Misfits"]

_MOST = 1_000  # that are told of
_HOLDS = 10.0  # seconds for which an answer holds while rows change all the time

type _Layers = dict[str, tuple[Layer, int]]  # by id, with the SRID of their geometry


class Misfits:
    """Looks through all grants, and again when keys, files or what is loaded have changed."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._key: tuple[object, ...] = ()
        self._until = 0.0
        self._found: list[dict[str, str]] = []

    async def find(self, services: Services) -> list[dict[str, str]]:
        """Entries with `key` or `group`, `layer`, and what was `expected`; in a thread, for filters take their time."""
        catalog, now = services.live.current, time.monotonic()
        key = (id(catalog), self._gate.revision, frozenset(services.statuses))
        if key != self._key or now > self._until:
            layers = _list_layers(services)
            self._found = await asyncio.to_thread(_find, self._gate.stored_keys, catalog, layers)
            self._key, self._until = key, now + _HOLDS
        return self._found


def _list_layers(services: Services) -> _Layers:
    """Layers as they are served, or as their files have them where they are not."""
    declared = {layer.id: (layer, 4326) for layer in services.live.current.layers.values()}
    return declared | {layer.id: (layer, status.srid) for layer, status in services.loaded()}


def _find(keys: list[StoredKey], catalog: Catalog, layers: _Layers) -> list[dict[str, str]]:
    known: dict[tuple[str, str], str] = {}
    found: list[dict[str, str]] = []
    for owner, grant in _list_grants(keys, catalog):
        for name in sorted(grant.layers & layers.keys()):
            at = name, grant.rows
            if at not in known:
                known[at] = _explain(*layers[name], grant.rows)
            if known[at] and len(found) < _MOST:
                found.append({**owner, "layer": name, "expected": known[at]})
    return found


def _list_grants(keys: list[StoredKey], catalog: Catalog) -> Iterator[tuple[dict[str, str], Grant]]:
    for name, grants in catalog.groups.items():
        yield from (({"group": name}, grant) for grant in grants if grant.rows)
    for key in keys:
        yield from (({"key": key.id}, grant) for grant in read_grants(key) if grant.rows)


def _explain(layer: Layer, srid: int, rows: str) -> str:
    """What was expected of the filter; empty where it fits."""
    if not layer.has_rows:
        return f"rows: {layer.id} has tiles and no rows; give it a grant of its own"
    try:
        fit_rows(layer, rows, srid)
    except BadParameterError as error:
        return str(error)
    return ""
