"""What every export format takes and gives: an extract of a layer in, bytes or a file out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from geoserver.formats.target import Target

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from geoserver.database.exports import Rows, Selection, Way
    from geoserver.database.status import LayerStatus
    from geoserver.model import Field, Layer

__all__ = ["Extract", "Format", "Readme", "Subject", "Target"]

type Subject = Literal["features", "readings"]


@dataclass(frozen=True, slots=True)
class Readme:
    """What goes with the rows, for people: whose they are, from when, and what was asked."""

    title: str
    words: Mapping[str, str]  # that it is made of, in the reader's language
    description: str = ""
    source: str = ""  # whose data it is
    license: str = ""
    updated: datetime | None = None
    address: str = ""  # by which the same file is had again
    asked: Mapping[str, str] = field(default_factory=dict)  # parameters as given
    limits: tuple[str, ...] = ()  # what the format cannot hold, in the reader's language


@dataclass(frozen=True, slots=True)
class Extract:
    """The rows that are wanted and all that is said of them; crosses to the process that writes the file."""

    id: str  # of the layer
    version: int | None  # of its rows; None for a table that nobody else writes to
    selection: Selection
    fields: tuple[Field, ...]  # in the language that is spoken
    geometry_type: str  # of the column, as PostGIS writes it in capitals; empty where there is none
    crs: str  # "EPSG:25832"
    readme: Readme
    way: Way
    label: str = ""  # the field that names a feature, if any
    style: str = ""  # the layer's style for QGIS, where there is one

    @property
    def is_moved(self) -> bool:
        """Whether positions are in another CRS than the layer's."""
        return self.selection.srid != self.selection.stored


class Format(Protocol):
    """One export format. Registered by being a module here with a `FORMAT`, or by an entry point `geoserver.formats`.

    What it does not say of itself is as most formats have it.
    """

    @property
    def id(self) -> str:
        """As in addresses, and as files end: `csv`, `shp.zip`."""
        ...

    @property
    def title(self) -> str: ...
    @property
    def media_type(self) -> str: ...
    @property
    def order(self) -> int:
        """Its place in lists: the format for most people first."""
        ...

    @property
    def streams(self) -> bool:
        """Whether it goes out as it is made; else a file is made first."""
        return True

    @property
    def styled(self) -> bool:
        """Whether the layer's style goes with the rows."""
        return False

    @property
    def lonlat(self) -> bool:
        """Whether longitude and latitude alone can be its CRS."""
        return False

    @property
    def of(self) -> frozenset[Subject]:
        return frozenset({"features"})

    @property
    def needs(self) -> tuple[str, ...]:
        """Libraries to have at hand before a process is forked for it."""
        return ()

    def fits(self, layer: Layer, status: LayerStatus) -> bool:  # noqa: ARG002
        """Whether features of this layer can be written so at all."""
        return True

    def told(self, layer: Layer, status: LayerStatus) -> tuple[str, ...]:  # noqa: ARG002
        """What of the layer the format cannot hold, in sentences."""
        return ()

    def estimate(self, widths: Mapping[str, float]) -> float:
        """Bytes of a row, of columns with this average of bytes."""
        ...

    def write(self, extract: Extract, rows: Rows, target: Target) -> None:
        """Write all rows; runs in a process of its own. Raises psycopg.Error, OSError."""
        ...
