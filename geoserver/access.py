"""The gate: who asks (`Access`), and what they may see and do (`View`). Doors to rows and names take a `View`.

A layer that a reader may see in part is a `Layer` and a `LayerStatus` of its own: restricted fields are not
among its fields, `Layer.rows` is joined into every question about it by `filtering.build`, and so stands in
`canonical`, in every cache key and in every ETag; its count, bounds and values are those of the rows that are left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from geoserver.errors import ForbiddenError, NotFoundError
from geoserver.model import ANY, Grant, May

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from geoserver.catalog import Catalog
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer
    from geoserver.services import Services

__all__ = ["ANY", "NOBODY", "Access", "Grant", "May", "Sight", "View", "access_of", "combine"]


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


@dataclass(frozen=True, slots=True)
class Sight:
    """How much of one layer someone sees: rows of any of the filters (none: all rows), and these restricted fields."""

    rows: frozenset[str] = frozenset()
    fields: frozenset[str] = frozenset()


def combine(layer: Layer, grants: Iterable[Grant]) -> Sight | None:
    """What the grants give to see of a layer; None where it is not there for whom they are of.

    Grants for all rows are added up, and then others say no more. Of grants for some rows each shows its own;
    restricted fields are those that all of them give, so that no row shows more than a grant for that very row.
    """
    needed: May = "manage" if layer.access == "draft" else "read"
    found = [grant for grant in grants if needed in grant.may and grant.covers(layer.id)]
    restricted = frozenset(name for name, item in layer.fields.items() if item.restricted)

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


def access_of(scope: Mapping[str, Any]) -> Access:
    """Who asks by this request, as `api.identify` found it; nobody where it found none."""
    found = scope.get("state", {}).get("access")
    return found if isinstance(found, Access) else NOBODY


@dataclass(slots=True)
class View:
    """What one caller may see, for as long as one request; the only thing that doors are given.

    `scope` is empty where that is what everybody sees: such answers are `public` and the same for all. Others are
    `private`, and `scope` belongs into the key of whatever is kept of them.
    """

    services: Services
    access: Access = NOBODY
    scope: str = field(default="", init=False)

    async def layer(self, layer_id: str) -> tuple[Layer, LayerStatus]:
        """A layer as the caller sees it. Raises NotFoundError, in the same words for one that is not there and one that
        is not for them, and UnavailableError while nothing is known yet.
        """
        raise NotImplementedError

    async def layers(self) -> list[tuple[Layer, LayerStatus]]:
        """Every layer that can be served and that the caller may see, in display order."""
        raise NotImplementedError

    @property
    def catalog(self) -> Catalog:
        """The catalogue with the layers, styles and city words that the caller may know of, and no others."""
        raise NotImplementedError

    def require(self, what: May, layer_id: str) -> None:
        """Raises ForbiddenError unless the caller may do this with a layer that they see; else NotFoundError."""
        layer = self.services.live.current.layers.get(layer_id)
        if layer is None or combine(layer, self.access.grants) is None:
            raise NotFoundError("layer", layer_id, "a layer that is there")
        if not self.access.may(what, layer_id):
            raise ForbiddenError(f"This needs a key that may {what} the layer {layer_id}.")
