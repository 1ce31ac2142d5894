"""The gate: who asks (`Access`), and what they may see and do (`View`). Doors to rows and names take a `View`.

A layer that a reader may see in part is a `Layer` and a `LayerStatus` of its own: restricted fields are not
among its fields, `Layer.rows` is joined into every question about it by `filtering.build`, and so stands in
`canonical`, in every cache key and in every ETag; its count, bounds and values are those of the rows that are left.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Never

from geoserver.catalog.styles import list_source_layers
from geoserver.errors import BadParameterError, ForbiddenError, NotFoundError, UncountedError
from geoserver.filtering import build
from geoserver.model import ANY, Grant, May
from geoserver.sights import Sight, restricted_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from geoserver.catalog import Catalog
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Feature, Geometry
    from geoserver.model import Layer
    from geoserver.services import Services

__all__ = [
    "BY_CALLER",
    "NOBODY",
    "PRIVATE",
    "Access",
    "Sight",
    "View",
    "access_of",
    "combine",
    "name_grants",
    "view_of",
]

log = logging.getLogger("geoserver")

PRIVATE = "private, no-store"  # Cache-Control of what not everybody may see
BY_CALLER = "Authorization, Cookie"  # and by which it varies
EVERYBODYS = Sight()


@dataclass(frozen=True, slots=True)
class Access:
    """Who asks, by a key or signed in; `name` is for people, `subject` for the audit and for quotas."""

    kind: Literal["nobody", "key", "person"] = "nobody"
    subject: str = ""
    name: str = ""
    grants: tuple[Grant, ...] = ()
    by_cookie: bool = False  # a write must come from our own pages then
    read_only: bool = False  # by `?key=`, which stands in histories and logs

    def may(self, what: May, layer_id: str) -> bool:
        """Whether a grant says so. Reading of public layers needs none; see `View`."""
        if self.read_only and what != "read":
            return False
        return any(what in grant.may and grant.covers(layer_id) for grant in self.grants)


NOBODY = Access()


def combine(layer: Layer, grants: Iterable[Grant]) -> Sight | None:
    """What the grants give to see of a layer; None where it is not there for whom they are of.

    Grants for all rows are added up, and then others say no more. Of grants for some rows each shows its own;
    restricted fields are those that all of them give, so that no row shows more than a grant for that very row.
    """
    needed: May = "manage" if layer.access == "draft" else "read"
    found = [grant for grant in grants if needed in grant.may and grant.covers(layer.id)]
    restricted = restricted_fields(layer)

    def fields_of(grant: Grant) -> frozenset[str]:
        return restricted if ANY in grant.fields else restricted & grant.fields

    whole = [fields_of(grant) for grant in found if not grant.rows]
    if layer.access == "public":
        whole.append(frozenset())
    if whole:
        return Sight(fields=frozenset().union(*whole))
    if not found:
        return None
    shared = frozenset.intersection(*(fields_of(grant) for grant in found))
    return Sight(frozenset(grant.rows for grant in found), shared)


@lru_cache(4_096)
def name_grants(grants: tuple[Grant, ...]) -> bytes:
    """A few bytes that are the same for who has the same grants; none without any."""
    return hashlib.blake2b(repr(grants).encode(), digest_size=12).digest() if grants else b""


def access_of(scope: Mapping[str, Any]) -> Access:
    """Who asks by this request, as `api.identify` found it; nobody where it found none."""
    found = scope.get("state", {}).get("access")
    return found if isinstance(found, Access) else NOBODY


def view_of(services: Services, scope: Mapping[str, Any]) -> View:
    """What whoever asks by this request may see."""
    return View(services, access_of(scope))


class View:
    """What one caller may see, for as long as one request; the only thing that doors are given.

    `scope` names what was looked at that not everybody sees, and is empty where there was no such thing: such answers
    are `public` and the same for all. Others are `private`, and `scope` belongs into the key of whatever is kept.
    """

    def __init__(self, services: Services, access: Access = NOBODY) -> None:
        self.services = services
        self.access = access
        self.whole: dict[str, tuple[Layer, LayerStatus]] = {}  # what was looked at, as it was served just then
        self._scopes: dict[str, None] = {}

    @property
    def scope(self) -> str:
        return ".".join(self._scopes)

    @property
    def grants(self) -> tuple[Grant, ...]:
        """By what they may see more than everybody; whoever has the same sees the same."""
        return self.access.grants

    async def layer(self, layer_id: str) -> tuple[Layer, LayerStatus]:
        """A layer as the caller sees it. Raises NotFoundError, in the same words for one that is not there and one that
        is not for them, and UnavailableError while nothing is known yet.
        """
        await self._read_filters([layer_id])
        declared, found = self.services.live.current.layers.get(layer_id), self.services.find(layer_id)
        if found is not None and (seen := await self._see(found)) is not None:
            return seen
        await self.ready()
        if found is None and declared is not None and self._sight(declared) is not None:
            self.services.layer(layer_id)  # says what it waits for
        return self._deny(layer_id)

    async def shape(self, feature: Feature, srid: int) -> Geometry | None:
        """The geometry of a feature, for a filter of a layer in the CRS `srid`; None alike for one that is not there
        and one that is not for the caller. Raises BadParameterError where it is too large, UnavailableError.
        """
        try:
            layer, status = await self.layer(feature.layer)
        except NotFoundError:
            return None
        if not layer.has_rows:
            return None
        return await self.services.shapes.find(layer, status, build(layer, status), feature, srid)

    def _deny(self, layer_id: str) -> Never:
        """Raises NotFoundError, which tells of the layers that the caller may know of."""
        known = self.catalog
        others = {name: layer for name, layer in known.layers.items() if name != layer_id}
        replace(known, layers=others).layer(layer_id)
        raise AssertionError(layer_id)

    async def layers(self) -> list[tuple[Layer, LayerStatus]]:
        """Every layer that can be served and that the caller may see, in display order; without those of which it takes
        too long to count what that is.
        """
        await self._read_filters(self.services.live.current.layers)
        seen = []
        for found in self.services.loaded():
            try:
                one = await self._see(found)
            except UncountedError as error:
                log.warning("Layer %s is left out of a list: %s", found[0].id, error)
                continue
            if one is not None:
                seen.append(one)
        return seen

    async def ready(self) -> None:
        """To be waited for before `catalog` is asked for: it needs the granted filters of all layers' rows."""
        current = self.services.live.current
        if not self.services.sights.knows_catalog(current, self.grants):
            await self._read_filters(current.layers)

    async def _read_filters(self, layer_ids: Iterable[str]) -> None:
        filters = [grant for grant in self.grants if grant.rows]
        if not filters:
            return
        layers = self.services.live.current.layers
        known = [(self.services.find(name) or (layers[name], None)) for name in layer_ids if name in layers]
        await self.services.sights.read_filters(
            (layer, status, grant.rows) for layer, status in known for grant in filters if grant.covers(layer.id)
        )

    def of(self, layers: Iterable[Layer]) -> View:
        """The same caller's view, having looked at these layers alone."""
        view = View(self.services, self.access)
        view._scopes = {layer.scope: None for layer in layers if layer.scope}
        return view

    async def _see(self, found: tuple[Layer, LayerStatus]) -> tuple[Layer, LayerStatus] | None:
        layer, status = found
        sight = self._sight(layer, status)
        if sight is None:
            return None
        self.whole[layer.id] = found
        sights, catalog = self.services.sights, self.services.live.current
        if sight.rows:
            declared = catalog.layers.get(layer.id, layer)
            try:
                layer, status = await sights.see(catalog.recipes, found, sight, declared.maxzoom)
            except BadParameterError as error:  # it fits the fields, and the database cannot compute it
                log.warning("Layer %s: a grant's filter of rows opens nothing: %s", layer.id, error)
                return None
        else:
            layer = sights.narrow(layer, sight.fields)
        if layer.scope:
            self._scopes[layer.scope] = None
        return layer, status

    @property
    def catalog(self) -> Catalog:
        """The catalogue with the layers, styles and city words that the caller may know of, and no others."""
        current, sights = self.services.live.current, self.services.sights
        return sights.find_catalog(current, self.grants, self._build_catalog)

    def _build_catalog(self) -> Catalog:
        current, narrow = self.services.live.current, self.services.sights.narrow
        layers, unseen = {}, []
        for layer in current.layers.values():
            sight = self._sight(*(self.services.find(layer.id) or (layer,)))
            if sight is None:
                unseen.append(layer)
            else:
                layers[layer.id] = narrow(layer, sight.fields)
        used = {layer.style for layer in layers.values()} | layers.keys()
        named = {name for layer in unseen for name in (layer.style, layer.id)}
        ids = {layer.id for layer in unseen}
        hidden = {
            name
            for name, style in current.styles.items()
            if name not in used and (name in named or list_source_layers(style) & ids)
            if "base" not in style["sources"]  # basemaps draw what there is for each reader
        }
        city, switched_on = current.city, current.city.layers
        if switched_on is not None:
            city = replace(city, layers=tuple(name for name in switched_on if name in layers))
        styles = {name: style for name, style in current.styles.items() if name not in hidden}
        return replace(current, layers=layers, styles=styles, city=city, problems=())

    def _sight(self, layer: Layer, status: LayerStatus | None = None) -> Sight | None:
        """What of a layer is for the caller; a grant whose filter of rows does not fit the layer gives nothing."""
        grants = self.access.grants
        if not grants and layer.access == "public":
            return EVERYBODYS
        if any(grant.rows and grant.covers(layer.id) for grant in grants):
            if status is None and (found := self.services.find(layer.id)) is not None:
                layer, status = found
            fits = self.services.sights.find_misfit
            grants = tuple(grant for grant in grants if not (grant.rows and fits(layer, status, grant.rows)))
        return combine(layer, grants)

    def headers(self, cache_control: str, vary: Mapping[str, str] = {}) -> dict[str, str]:
        """How an answer about what was looked at may be kept: as said, or by nobody where not everybody sees it."""
        if not self._scopes:
            return {"Cache-Control": cache_control, **vary}
        return {"Cache-Control": PRIVATE, "Vary": ", ".join([*vary.values(), BY_CALLER])}

    async def require(self, what: May, layer_id: str) -> None:
        """Raises ForbiddenError unless the caller may do this with a layer that they see; else NotFoundError."""
        await self._read_filters([layer_id])
        layer = self.services.live.current.layers.get(layer_id)
        if layer is None or self._sight(layer) is None:
            await self.ready()
            self._deny(layer_id)
        if not self.access.may(what, layer_id):
            raise ForbiddenError(f"This needs a key that may {what} the layer {layer_id}.")
