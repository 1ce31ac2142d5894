"""Grants whose row filter does not fit a layer that they name: they open nothing of it, and operators are told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from geoserver.errors import BadParameterError
from geoserver.gate.grants import fit_rows
from geoserver.turns import outlast

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.catalog import Catalog
    from geoserver.gate.ring import Gate
    from geoserver.model import Grant, Layer
    from geoserver.services import Services

__all__ = ["Misfits"]

_MOST = 1_000  # that are told of

type _Layers = dict[str, tuple[Layer, int]]  # by id, with the SRID of their geometry
type _Grants = list[tuple[str, tuple[Grant, ...]]]  # with the ids of their keys
type _Tried = dict[tuple[str, str], tuple[Layer, int, str]]  # by layer and filter: tried on what, and what was expected


class Misfits:
    """Looks through all grants, and again when keys, files or what is loaded have changed; whoever asks meanwhile waits
    for the same look, for everybody may ask.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._lock = asyncio.Lock()
        self._seen: tuple[Catalog | None, int, _Layers] = (None, 0, {})
        self._tried: _Tried = {}
        self._found: list[dict[str, str]] = []

    async def find(self, services: Services) -> list[dict[str, str]]:
        """Entries with `key` or `group`, `layer`, and what was `expected`."""
        async with self._lock:
            catalog, revision, layers = services.live.current, self._gate.revision, _list_layers(services)
            if not self._has_seen(catalog, revision, layers):
                await outlast(self._look(catalog, revision, layers))
            return self._found

    def _has_seen(self, catalog: Catalog, revision: int, layers: _Layers) -> bool:
        known, at, seen = self._seen
        if known is not catalog or at != revision or seen.keys() != layers.keys():
            return False
        return all(seen[name][0] is layer and seen[name][1] == srid for name, (layer, srid) in layers.items())

    async def _look(self, catalog: Catalog, revision: int, layers: _Layers) -> None:
        """In a thread, for filters take their time; what was tried on the very same layer is not tried again."""
        grants = self._gate.list_grants()
        self._found, self._tried = await asyncio.to_thread(_find, grants, catalog, layers, self._tried)
        self._seen = catalog, revision, layers


def _list_layers(services: Services) -> _Layers:
    """Layers as they are served, or as their files have them where they are not."""
    declared = {layer.id: (layer, 4326) for layer in services.live.current.layers.values()}
    return declared | {layer.id: (layer, status.srid) for layer, status in services.loaded()}


def _find(grants: _Grants, catalog: Catalog, layers: _Layers, tried: _Tried) -> tuple[list[dict[str, str]], _Tried]:
    known: _Tried = {}
    found: list[dict[str, str]] = []
    for owner, grant in _list_limited(grants, catalog):
        for name in sorted(grant.layers & layers.keys()):
            at = name, grant.rows
            layer, srid = layers[name]
            if at not in known:
                before = tried.get(at)
                same = before is not None and before[0] is layer and before[1] == srid
                known[at] = before if before and same else (layer, srid, _explain(layer, srid, grant.rows))
            if known[at][2] and len(found) < _MOST:
                found.append({**owner, "layer": name, "expected": known[at][2]})
    return found, known


def _list_limited(grants: _Grants, catalog: Catalog) -> Iterator[tuple[dict[str, str], Grant]]:
    for name, of_group in catalog.groups.items():
        yield from (({"group": name}, grant) for grant in of_group if grant.rows)
    for key_id, of_key in grants:
        yield from (({"key": key_id}, grant) for grant in of_key if grant.rows)


def _explain(layer: Layer, srid: int, rows: str) -> str:
    """What was expected of the filter; empty where it fits."""
    if not layer.has_rows:
        return f"rows: {layer.id} has tiles and no rows; give it a grant of its own"
    try:
        fit_rows(layer, rows, srid)
    except BadParameterError as error:
        return str(error)
    return ""
