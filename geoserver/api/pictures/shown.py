"""What a picture shows, as it is found out step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geoserver.api.tiles import Part
    from geoserver.database.status import LayerStatus
    from geoserver.mapstates import Camera
    from geoserver.model import Layer

__all__ = ["Drawn", "Scene", "Shown"]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Layers that are on, sorted by id, and all loaded ones that the caller may see."""

    on: Sequence[tuple[Layer, LayerStatus]]
    loaded: Sequence[tuple[Layer, LayerStatus]]
    elsewhere: bool  # rows of any layer may have a say in what is seen of these
    made_of: tuple[object, ...]  # the very objects that say what is drawn; others are another picture

    @property
    def layers(self) -> list[Layer]:
        """Those that a picture may tell of."""
        also = [layer for layer, _ in self.loaded if self.elsewhere or layer.basemap]
        return [*(layer for layer, _ in self.on), *also]


@dataclass(frozen=True, slots=True)
class Shown:
    """A layer that is on: its part of the question, and from which zoom on its features are drawn under its filter."""

    part: Part
    query: str
    plan: int | None

    @property
    def narrowed(self) -> bool:
        return bool(self.query)


@dataclass(frozen=True, slots=True)
class Scene:
    """All of it: the layers that are on, the style that draws them, and from where."""

    shown: Sequence[Shown]
    style: Mapping[str, Any]
    camera: Camera
