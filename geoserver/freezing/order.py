"""What is to be frozen: layers as one reader sees them, under what an address asks, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from geoserver.catalog import Catalog
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.mapstates import Camera, MapState
    from geoserver.model import Bounds, Layer

__all__ = ["Frozen", "Order", "Shown", "Sight", "TooLargeError"]


class TooLargeError(Exception):
    """What was made is more than one frozen map may be; says so for people."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A layer that is on, as who freezes it sees it, and what its question leaves."""

    layer: Layer
    status: LayerStatus
    where: Where


@dataclass(frozen=True, slots=True)
class Frozen:
    """The same when its rows are copied: a layer of its own table and plan; `digest` is the same for the same rows."""

    layer: Layer
    status: LayerStatus
    where: Where  # which of the layer's rows they were
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the picture of a frozen map is drawn from: a style over its archive, and what it looks at."""

    frozen: tuple[Frozen, ...]
    style: Mapping[str, Any]
    archive: Path
    place: Bounds | Camera


@dataclass(frozen=True, slots=True)
class Order:
    """`ask` gives our own answer at an address in a language, or None; `draw` the picture of a map, or nothing."""

    title: str
    query: str  # as the page writes it, with `?`
    original: str  # address of the live map
    address: str  # of the frozen one
    site: str  # of the server, without a slash at the end
    catalog: Catalog
    shown: tuple[Shown, ...]
    base: tuple[tuple[Layer, LayerStatus], ...]
    state: MapState
    language: str  # of what is said once, such as labels on the map
    languages: tuple[str, ...]
    most_bytes: int
    ask: Callable[[str, str], Awaitable[dict[str, Any] | None]]
    draw: Callable[[Sight], Awaitable[bytes]]
    pictures: Mapping[str, bytes] = field(default_factory=dict)  # of the city, by their names in the folder
    private: Mapping[str, Any] = field(default_factory=dict)  # kept beside it, and not given out
