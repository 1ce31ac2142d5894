"""What a running server holds of the layers without rows: a status as loaded layers have one, made by their source."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from geoserver.errors import CatalogError
from geoserver.tiling.sources import rowless_source_of

if TYPE_CHECKING:
    from geoserver.catalog import Catalog
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer

__all__ = ["Looked", "Rowless", "open_layer"]

log = logging.getLogger("geoserver")


def open_layer(layer: Layer) -> tuple[Layer, LayerStatus]:
    """The layer as its source has it, and its state; raises CatalogError for what cannot be opened."""
    return rowless_source_of(layer).open(layer)


class Looked(NamedTuple):
    """What a look at the files came to: layers by id, what is wrong, and what each layer was made of."""

    held: dict[str, tuple[Layer, LayerStatus]]
    problems: tuple[CatalogError, ...]
    made_of: dict[str, object]


class Rowless:
    """Opens what such layers' tiles come from, and again when it changes; what breaks keeps its last good state."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[Layer, LayerStatus]] = {}
        self.problems: tuple[CatalogError, ...] = ()
        self._made_of: dict[str, object] = {}

    def refresh(self, catalog: Catalog) -> bool:
        """Look at the files again and give whether anything changed. Blocks for the disk; one call at a time."""
        return self.take(self.look(catalog))

    def look(self, catalog: Catalog) -> Looked:
        """What there is by now of this catalogue's layers; it is held when it is taken."""
        layers = [layer for layer in catalog.layers.values() if not layer.has_rows]
        held: dict[str, tuple[Layer, LayerStatus]] = {}
        made_of: dict[str, object] = {}
        problems = []
        for layer in layers:
            state = (layer, _sign(layer))
            before = self.held.get(layer.id)
            made_of[layer.id] = state
            if before and self._made_of.get(layer.id) == state:
                held[layer.id] = before
                continue
            try:
                held[layer.id] = open_layer(layer)
            except Exception as error:
                if not isinstance(error, CatalogError):  # no source may take the others down, whatever is in it
                    log.exception("%s: its source cannot be read", layer.file)
                    error = CatalogError(str(layer.file), "source", f"a source that can be read: {error}")
                problems.append(error)
                made_of[layer.id] = None  # tried again next time
                if before:
                    held[layer.id] = before
        return Looked(held, tuple(problems), made_of)

    def take(self, looked: Looked) -> bool:
        """Hold that; gives whether it is another than before."""
        changed = looked.held != self.held or [*map(str, looked.problems)] != [*map(str, self.problems)]
        self.held, self.problems, self._made_of = looked
        return changed

    def renew(self) -> list[tuple[Layer, LayerStatus]]:
        """Give the layers whose tiles hold no longer, in the state that begins now."""
        over = [item for item in self.held.values() if rowless_source_of(item[0]).is_over(*item)]
        fresh = [open_layer(layer) for layer, _ in over]
        self.held = self.held | {layer.id: (layer, status) for layer, status in fresh}
        return fresh


def _sign(layer: Layer) -> object:
    """What differs when the layer must be opened again."""
    try:
        return rowless_source_of(layer).sign(layer)
    except OSError:
        return None
