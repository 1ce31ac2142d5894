"""What a picture shows, as it is found out step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from geoserver.api.tiles import Part
    from geoserver.database.status import LayerStatus
    from geoserver.mapstates import Camera
    from geoserver.model import Layer
    from geoserver.questions import Asked

__all__ = ["Drawn", "Scene", "Shown", "Turn"]

type Turn = Callable[[Asked], AbstractAsyncContextManager[None]]  # the caller's time to ask the database


@dataclass(frozen=True, slots=True)
class Drawn:
    """Layers that are on, sorted by id, and all loaded ones that the caller may see."""

    on: Sequence[tuple[Layer, LayerStatus]]
    loaded: Sequence[tuple[Layer, LayerStatus]]
    limits: str  # id of the layer outside of which rows are misplaced; empty where it is none
    elsewhere: bool  # rows of any layer may have a say in what is seen of these
    made_of: tuple[object, ...]  # the very objects that say what is drawn; others are another picture

    @property
    def told(self) -> list[tuple[Layer, LayerStatus]]:
        """All that a picture may tell of: nothing else has a say in what it shows, so that it is the same for all who
        see the same of these.
        """
        on = {layer.id for layer, _ in self.on}
        also = [seen for seen in self.loaded if self.elsewhere or seen[0].basemap or seen[0].id == self.limits]
        return [*self.on, *(seen for seen in also if seen[0].id not in on)]

    @property
    def layers(self) -> list[Layer]:
        return [layer for layer, _ in self.told]


@dataclass(frozen=True, slots=True)
class Shown:
    """A layer that is on: its part of the question, and from which zoom on its features are drawn under its filter."""

    part: Part
    query: str
    plan: int | None
    count: int | None = None  # of the rows that its filter leaves, where that is told

    @property
    def narrowed(self) -> bool:
        return bool(self.query)


@dataclass(frozen=True, slots=True)
class Scene:
    """All of it: the layers that are on, the style that draws them, and from where."""

    shown: Sequence[Shown]
    style: dict[str, Any]
    camera: Camera
