"""Grants whose row filter does not fit a layer that they name: they open nothing of it, and operators are told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from geoserver.errors import BadParameterError
from geoserver.gate.grants import fit_rows
from geoserver.gate.making import read_grants

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from geoserver.catalog import Catalog
    from geoserver.database.keys import StoredKey
    from geoserver.gate.ring import Gate
    from geoserver.model import Grant, Layer

__all__ = ["Misfits"]

_MOST = 1_000  # that are told of


class Misfits:
    """Looks through all grants, and again only when keys or files have changed."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._found: tuple[Catalog, int, list[dict[str, str]]] | None = None

    async def find(self, catalog: Catalog) -> list[dict[str, str]]:
        """Entries with `key` or `group`, `layer`, and what was `expected`; in a thread, for filters take their time."""
        revision = self._gate.revision
        if self._found is None or self._found[0] is not catalog or self._found[1] != revision:
            found = await asyncio.to_thread(_find, self._gate.stored_keys, catalog)
            self._found = catalog, revision, found
        return self._found[2]


def _find(keys: list[StoredKey], catalog: Catalog) -> list[dict[str, str]]:
    known: dict[tuple[str, str], str] = {}
    found: list[dict[str, str]] = []
    for owner, grant in _list_grants(keys, catalog):
        for name in sorted(grant.layers & catalog.layers.keys()):
            at = name, grant.rows
            if at not in known:
                known[at] = _explain(catalog.layers[name], grant.rows)
            if known[at] and len(found) < _MOST:
                found.append({**owner, "layer": name, "expected": known[at]})
    return found


def _list_grants(keys: list[StoredKey], catalog: Catalog) -> Iterator[tuple[dict[str, str], Grant]]:
    groups: Iterable[tuple[str, tuple[Grant, ...]]] = catalog.groups.items()
    yield from ((({"group": name}), grant) for name, grants in groups for grant in grants if grant.rows)
    for key in keys:
        yield from (({"key": key.id}, grant) for grant in read_grants(key) if grant.rows)


def _explain(layer: Layer, rows: str) -> str:
    """What was expected of the filter; empty where it fits."""
    try:
        fit_rows(layer, rows)
    except BadParameterError as error:
        return str(error)
    return ""
