"""What every export format takes and gives: an extract of a layer in, bytes or a file out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from geoserver.database.exports import Rows, Selection, Way
    from geoserver.database.status import LayerStatus
    from geoserver.model import Field, Layer

__all__ = ["Extract", "Format", "Readme", "Subject", "Target"]

type Subject = Literal["features", "readings"]

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class Readme:
    """What goes with the rows, for people: whose they are, from when, and what was asked."""

    title: str
    description: str = ""
    source: str = ""  # whose data it is
    license: str = ""
    updated: datetime | None = None
    address: str = ""  # by which the same file is had again
    asked: Mapping[str, str] = field(default_factory=dict)  # parameters as given
    language: str = ""
    limits: tuple[str, ...] = ()  # what the format cannot hold


@dataclass(frozen=True, slots=True)
class Extract:
    """The rows that are wanted and all that is said of them; crosses to the process that writes the file."""

    id: str  # of the layer
    selection: Selection
    fields: tuple[Field, ...]  # in the language that is spoken
    geometry_type: str  # of the column, as PostGIS writes it in capitals; empty where there is none
    crs: str  # "EPSG:25832"
    readme: Readme
    way: Way
    label: str = ""  # the field that names a feature, if any
    style: str = ""  # the layer's style for QGIS, where there is one


class Target:
    """Where a format writes to: bytes as they are made, or a file in a folder of its own, sent when it is whole."""

    def __init__(self, pipe: int, folder: Path) -> None:
        self.pipe = pipe
        self.folder = folder

    def write(self, block: bytes | memoryview) -> None:
        """Hand bytes on; waits while the reader is slow, which is what keeps memory flat."""
        rest = memoryview(block)
        while rest:
            rest = rest[os.write(self.pipe, rest) :]

    def write_all(self, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            self.write(block)

    def send(self, path: Path) -> None:
        """Send a whole file, its size first (8 bytes)."""
        self.write(path.stat().st_size.to_bytes(8))
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                self.write(block)


class Format(Protocol):
    """One export format. Registered by being a module here with a `FORMAT`, or by an entry point `geoserver.formats`.

    What `streams` is written as it is made; else a file is made first. `lonlat` alone can be its CRS, or any.
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
    def streams(self) -> bool: ...
    @property
    def styled(self) -> bool:
        """Whether the layer's style goes with the rows."""
        ...

    @property
    def lonlat(self) -> bool: ...
    @property
    def of(self) -> frozenset[Subject]: ...
    @property
    def needs(self) -> tuple[str, ...]:
        """Libraries to have at hand before a process is forked for it."""
        ...

    def fits(self, layer: Layer, status: LayerStatus) -> bool:
        """Whether features of this layer can be written so at all."""
        ...

    def told(self, layer: Layer, status: LayerStatus) -> tuple[str, ...]:
        """What of the layer the format cannot hold, in sentences."""
        ...

    def estimate(self, widths: Mapping[str, float]) -> float:
        """Bytes of a row, of columns with this average of bytes."""
        ...

    def write(self, extract: Extract, rows: Rows, target: Target) -> None:
        """Write all rows; runs in a process of its own. Raises psycopg.Error, OSError."""
        ...
