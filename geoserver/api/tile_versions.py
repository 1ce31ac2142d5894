"""What the tiles in memory are of: the versions of layers, and whether what was read of a layer is served still."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from geoserver import tiling

if TYPE_CHECKING:
    from geoserver.api.tiles import Part
    from geoserver.catalog import Catalog
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer
    from geoserver.services import Services

__all__ = ["Change", "Versions", "sight_of"]

_KEPT = 4_096  # of layers, and of those in part


@dataclass(frozen=True, slots=True)
class _Known:
    """The version of a layer's tiles, and what it was made of."""

    catalog: Catalog
    layer: Layer
    status: LayerStatus
    version: str


class Change(NamedTuple):
    """A layer of which something else is served: `over` where what there is of it must not be seen again."""

    layer: str
    over: bool


class Versions:
    """Those of one server's layers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: dict[tuple[str, str], _Known] = {}  # by layer and sight; no more than what need not be made anew
        # Layers as they were when a tile was first made of them. Nothing but `follow` puts another one in the place.
        self._noted: dict[str, _Known] = {}

    def find(self, part: Part) -> str:
        """`tiling.tile_version`, of the very objects that the part's tiles are made of."""
        # Restricted fields are in no tile: who sees all rows sees the same tiles.
        return self._find(
            sight_of(part), *(part.whole if part.layer.rows is None else (part.layer, part.status))
        ).version

    def note(self, part: Part) -> None:
        """Tiles of this part may be kept from now on, until `follow` says that its layer is another."""
        if part.layer.id not in self._noted:
            self._noted[part.layer.id] = self._find("", *part.whole)

    def is_served(self, part: Part) -> bool:
        """Whether the layer, of which the part is, has not become another since it was read."""
        found = self._services.find(part.layer.id)
        return found is not None and found[0] is part.whole[0]

    def is_newest(self, part: Part) -> bool:
        """Whether its rows have not, either."""
        found = self._services.find(part.layer.id)
        return found is not None and found[0] is part.whole[0] and found[1] is part.whole[1]

    def follow(self) -> list[Change]:
        """What has become of the noted layers; those that are over are noted no more."""
        self._known.clear()
        changes, still = [], {}
        for layer_id, known in self._noted.items():
            found = self._services.find(layer_id)
            if found is None or found[0] != known.layer:  # not there, or declared otherwise
                changes.append(Change(layer_id, over=True))
                continue
            now = self._find("", *found)
            if now.version == known.version:
                still[layer_id] = now
                continue
            over = found[1].loaded_at == known.status.loaded_at  # of another recipe; else new rows make tiles old
            changes.append(Change(layer_id, over=over))
            if not over:
                still[layer_id] = now
        self._noted = still
        return changes

    def _find(self, sight: str, layer: Layer, status: LayerStatus) -> _Known:
        catalog, name = self._services.live.current, (layer.id, sight)
        known = self._known.get(name)
        if known is None or known.catalog is not catalog or known.layer is not layer or known.status is not status:
            known = _Known(catalog, layer, status, tiling.tile_version(catalog, layer, status))
            self._known[name] = known
            if len(self._known) > _KEPT:
                self._known.pop(next(iter(self._known)))
        return known


def sight_of(part: Part) -> str:
    """Names the rows that may be seen of the layer; empty for all of them, whichever fields may be seen."""
    return "" if part.layer.rows is None else part.layer.scope
