"""What every kind of data source takes and gives: a request in, an opened source with batches of rows out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from geoserver.catalog.files import is_file
from geoserver.catalog.names import find_likely
from geoserver.errors import LoadError, shorten
from geoserver.model import CsvOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa

__all__ = [
    "BATCH_ROWS",
    "FEATURE_ID",
    "Batch",
    "Broken",
    "Limits",
    "Opened",
    "Request",
    "SourceKind",
    "pick_layer",
    "read_parts",
    "summarise",
]

BATCH_ROWS = 32_768
_LONGEST = 8_000  # characters of an error, whatever of a file it tells
FEATURE_ID = "@id"  # asked for like a column: the id that a format gives its features beside their fields
_SISTERS = {  # a format whose data lies in several files: the endings of what belongs to the named one
    ".shp": (".dbf", ".shx", ".prj", ".cpg", ".qpj"),
    ".tab": (".dat", ".map", ".id", ".ind"),
    ".mif": (".mid",),
    ".gml": (".xsd", ".gfs"),
}
_JOURNALS = {".gpkg": ("-wal", "-shm"), ".sqlite": ("-wal", "-shm"), ".db": ("-wal", "-shm")}


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one file may take."""

    memory: int = 0  # bytes; 0: half of the machine's, at most 4 GiB
    patience: float = 300.0  # seconds without a sign of progress


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted of a source. Column names are those in the source; one that is not there is a LoadError."""

    location: str  # as the layer file says it; names the source in messages
    path: Path | None  # None when the location is no file
    columns: tuple[str, ...]
    positions: bool = True  # False for readings, which have no place of their own
    layer: str = ""  # layer or sheet inside a source with several
    csv: CsvOptions = field(default_factory=CsvOptions)
    crs: str = ""  # what the layer file says about the CRS; empty: nothing
    database_url: str = ""
    sample: bool = False  # the first rows are enough: nothing is counted, and a text is not read to its end
    swap_axes: bool = False  # the source has latitude (or northing) first
    folder: Path | None = None  # a private one for what is unpacked
    limits: Limits = field(default_factory=Limits)

    def fail(self, why: str) -> LoadError:
        """The error that names this source."""
        return LoadError(f"{self.location}: {shorten(why, _LONGEST)}")


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that could not even be read: its line or row number in the source, why, and its text, which stays here."""

    line: int
    reason: str
    raw: str


@dataclass(slots=True)
class Batch:
    """Rows as columns of equal length. Positions come as `points` (x and y) or as `wkb`, or not at all."""

    lines: np.ndarray  # int64: line in a text file (header is 1), else row number from 1
    columns: dict[str, pa.Array]
    points: tuple[np.ndarray, np.ndarray] | None = None  # float64, NaN where there is none
    wkb: pa.Array | None = None
    unreadable: np.ndarray | None = None  # bool: a position was written but cannot be read
    broken: list[Broken] = field(default_factory=list)
    ragged: bool = False  # rows of another width than the header: values may stand in the wrong columns

    def __len__(self) -> int:
        return len(self.lines)


@dataclass(slots=True)
class Opened:
    """An open source. `batches` may be iterated once; closing is the iterator's own business."""

    batches: Iterator[Batch]
    crs: str | None = None  # anything that pyproj reads, None when the source says nothing
    assume_lonlat: bool = False  # without a CRS, take numbers that fit for longitude and latitude
    total: int | None = None  # rows, where known or well estimated
    decimal: str = "."  # sign before the decimals in texts
    samples: Mapping[str, list[str]] = field(default_factory=dict)  # texts from all over the source, per column
    srid: int | None = None  # of PostGIS, for a CRS that only the database's own table of them knows
    guessed: str = ""  # the encoding of texts, where the source does not say it and bytes may be read several ways
    columns: tuple[str, ...] = ()  # names of what could be asked for, where known


class SourceKind(Protocol):
    """One kind of source. Registered by being a module here with a `KIND`, or by an entry point `geoserver.sources`."""

    name: str
    suffixes: tuple[str, ...]  # file name endings in lower case; empty for what is no file

    def open(self, request: Request) -> Opened:
        """Open; raises LoadError that says which source and why not."""
        ...


def read_parts(path: Path) -> list[Path]:
    """The file and what belongs to it, such as the .dbf of a .shp; empty when there is no such file."""
    if not is_file(path):
        return []
    suffix = path.suffix.lower()
    beside = [path.with_name(path.name + end) for end in _JOURNALS.get(suffix, ())]
    if wanted := _SISTERS.get(suffix):
        start = f"{path.stem}.".lower()
        beside += [
            other
            for other in sorted(path.parent.iterdir())
            if other.name.lower().startswith(start) and other.name[len(path.stem) :].lower() in wanted
        ]
    return [path, *(other for other in beside if other.is_file())]


def pick_layer(request: Request, names: list[str]) -> str:
    """The layer that is asked for, or the only one there is; raises LoadError that lists what there is."""
    if request.layer:
        if request.layer not in names:
            likely = find_likely(request.layer, names)
            hint = f"did you mean {likely!r}? " if likely else ""
            raise request.fail(f"has no layer {request.layer!r}; {hint}expected source_layer to be {summarise(names)}")
        return request.layer
    if not names:
        raise request.fail("has no layer with rows in it")
    if len(names) > 1:
        raise request.fail(f"has several layers; set source_layer to {summarise(names)}")
    return names[0]


def summarise(names: list[str], most: int = 12) -> str:
    """A list of names for a message."""
    shown = ", ".join(repr(shorten(name, 60)) for name in names[:most])
    return f"one of {shown}" + (f" and {len(names) - most} more" if len(names) > most else "")
