"""File, table or address: the one place that says what a layer file's `source` is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geoserver.catalog import source_path
from geoserver.catalog.files import is_file
from geoserver.errors import LoadError
from geoserver.sources import read_suffixes
from geoserver.sources.names import parse_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.model import Layer

__all__ = ["Location", "find_location", "list_locations"]

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Location:
    """A source as it is written, and the file that is meant: None for a table, and for an address."""

    written: str
    path: Path | None = None
    is_address: bool = False

    @property
    def is_table(self) -> bool:
        return self.path is None and not self.is_address

    def find_path(self) -> Path | None:
        """The file, or None for a table; raises LoadError for an address."""
        if self.is_address:
            raise LoadError(f"{self.written}: sources are files and tables; download it first")
        return self.path


def find_location(layer: Layer, source: str) -> Location:
    """What is meant by a source of this layer. A name in two parts is a table, unless it is a file's.

    A file's it is by an ending that can be read, or because there is one of that name.
    """
    if _ADDRESS.match(source):
        return Location(source, is_address=True)
    path = source_path(layer, source)
    if parse_table(source) and not source.lower().endswith(read_suffixes()) and not is_file(path):
        return Location(source)
    return Location(source, path)


def list_locations(layer: Layer) -> Iterator[tuple[str, Location]]:
    """Where the rows of a layer come from, and its readings, each by the key of the layer file that says so."""
    yield "source", find_location(layer, layer.source)
    if layer.readings:
        yield "readings.source", find_location(layer, layer.readings.source)
