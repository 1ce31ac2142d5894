"""What one caller may hand on, by keys that they make: no more than they hold, and nothing that tells them more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from geoserver.access import combine
from geoserver.errors import BadParameterError, ForbiddenError
from geoserver.gate.grants import check_grant, contains, fit_rows
from geoserver.gate.making import read_grants
from geoserver.model import ANY, Grant

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from geoserver.access import Access
    from geoserver.database.keys import StoredKey
    from geoserver.model import Layer

__all__ = ["Giver"]

_EVERYTHING = Grant(frozenset({ANY}), frozenset({"manage"}), fields=frozenset({ANY}))


class Giver:
    """One caller, for as long as one request; filters are tried in it, so it is for a thread."""

    def __init__(self, access: Access, layers: Mapping[str, Layer]) -> None:
        self._access = access
        self._layers = {name: layer for name, layer in layers.items() if access.may("manage", name)}
        self._fits: dict[tuple[str, str], bool] = {}

    def check(self, wanted: Grant) -> None:
        """Raises ForbiddenError for what is more than the caller holds, BadParameterError for what does not fit."""
        if not contains(self._access.grants, wanted):
            raise ForbiddenError(
                "Each grant must be within one of your own that may manage, in layers, may, rows and fields."
            )
        if self._sees_all(wanted):
            check_grant(wanted, self._layers)
            return
        # Names that the caller has no grant for are in no error.
        named = frozenset[str]().union(*(grant.fields for grant in self._access.grants))
        layers = {name: layer if ANY in named else _narrow(layer, named) for name, layer in self._layers.items()}
        check_grant(replace(wanted, rows=""), layers)
        if not self._holds_rows(wanted):
            self._check_rows(wanted)

    def is_within(self, key: StoredKey) -> bool:
        """Whether the caller could have made this key; of a broken one only who may give everything."""
        try:
            grants = read_grants(key)
        except BadParameterError:
            grants = (_EVERYTHING,)
        own = key.created_by == self._access.subject  # then they know its filter
        return all(contains(self._access.grants, grant) and (own or self._knows_rows(grant)) for grant in grants)

    def _sees_all(self, wanted: Grant) -> bool:
        """Whether no field of these layers is kept from the caller, in all of their rows."""
        return any(ANY in held.fields and not held.rows and contains([held], wanted) for held in self._access.grants)

    def _holds_rows(self, wanted: Grant) -> bool:
        """Whether the filter is that of one of the caller's own grants, as it was given to them."""
        return any(held.rows == wanted.rows and contains([held], wanted) for held in self._access.grants)

    def _check_rows(self, wanted: Grant) -> None:
        """A filter that names what the caller does not see would tell them of it, by what is left."""
        if ANY in wanted.layers:
            raise ForbiddenError(
                "A filter of rows for all layers needs a grant with all restricted fields; name the layers instead."
            )
        for name in sorted(wanted.layers):
            fit_rows(self._see(self._layers[name]), wanted.rows)

    def _knows_rows(self, grant: Grant) -> bool:
        """Whether the caller may know this filter."""
        if not grant.rows or self._sees_all(grant) or self._holds_rows(grant):
            return True
        return ANY not in grant.layers and all(self._fit(name, grant.rows) for name in grant.layers)

    def _fit(self, name: str, rows: str) -> bool:
        if (name, rows) not in self._fits:
            layer = self._layers.get(name)
            try:
                if layer is not None:
                    fit_rows(self._see(layer), rows)
            except BadParameterError:
                layer = None
            self._fits[name, rows] = layer is not None
        return self._fits[name, rows]

    def _see(self, layer: Layer) -> Layer:
        """The layer with those fields that the caller sees of every row."""
        sight = combine(layer, self._access.grants)
        return _narrow(layer, sight.fields if sight is not None and not sight.rows else ())


def _narrow(layer: Layer, fields: Collection[str]) -> Layer:
    """The layer without restricted fields but for these."""
    kept = {name: item for name, item in layer.fields.items() if not item.restricted or name in fields}
    return replace(layer, fields=kept)
