"""Shapefile, zipped, with its README: what the format of 1998 holds, and word of what it cannot."""

from __future__ import annotations

import os
import time
import zipfile
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.compute as pc

from geoserver.formats.base import Format
from geoserver.formats.columns import list_columns, read_batches
from geoserver.formats.readme import render_heading, render_text
from geoserver.formats.vector import write_layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import IO

    from geoserver.database.exports import Rows
    from geoserver.database.status import LayerStatus
    from geoserver.formats.base import Extract, Readme, Target
    from geoserver.model import Layer

__all__ = ["FORMAT", "Shapefile", "shorten_names"]

_NO_TIME = datetime(1980, 1, 1)  # the first that an archive can tell
_LETTERS = 10  # bytes of a field's name
_TEXT = 254  # bytes of a text
_WIDEST = 10**18 - 1  # of whole numbers; wider ones become texts, because GDAL reads them as inexact
_MOST = 1_900_000_000  # bytes of a file; many programs cannot read beyond 2 GiB
_ENDINGS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
_SINGLE = ("POINT", "MULTIPOINT", "LINESTRING", "MULTILINESTRING", "POLYGON", "MULTIPOLYGON")
_KINDS = {0: ("points", "MULTIPOINT"), 1: ("lines", "MULTILINESTRING"), 2: ("polygons", "MULTIPOLYGON")}
_LIMITS = (
    "Names of fields have at most 10 letters: README.txt says which is which.",
    "Texts are cut after 254 bytes; an empty text is no text.",
    "Times are texts, and so are whole numbers where some have more than 18 digits.",
    "Other numbers have 15 decimals and are less than 1e22.",
    "A file has at most 2 GB: more rows are in more files.",
)
_MIXED = "Points, lines and polygons are in files of their own; collections of them are left out."


class Shapefile(Format):
    """Each part is written by GDAL and then put into the archive, which is sent as it grows."""

    id = "shp.zip"
    title = "Shapefile (zipped)"
    media_type = "application/zip"
    order = 50
    needs = ("pyogrio", "pyarrow.csv", "pyarrow.compute", "zipfile")

    def told(self, layer: Layer, status: LayerStatus) -> tuple[str, ...]:
        long = len(shorten_names(layer.fields)) > 0
        limits = _LIMITS if long else _LIMITS[1:]
        return limits if status.geometry_type.upper() in _SINGLE else (*limits, _MIXED)

    def estimate(self, widths: Mapping[str, float]) -> float:
        return 0.4 * sum(widths.values()) + 20

    def write(self, extract: Extract, rows: Rows, target: Target) -> None:
        names = shorten_names([name for name, _ in list_columns(extract)])
        wide = rows.find_wide(extract.selection, _WIDEST)
        count = 0
        with zipfile.ZipFile(cast("IO[bytes]", _Pipe(target)), "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for part in _split(extract):
                count += _write_part(part, rows, target.folder, archive, _Fitting(names, wide))
            told = zipfile.ZipInfo("README.txt", _find_moment(extract).timetuple()[:6])
            text = render_text(extract, count) + _list_names(names, extract.readme)
            archive.writestr(told, text, zipfile.ZIP_DEFLATED, 1)


FORMAT = Shapefile()


class _Pipe:
    """A pipe as an archive needs it: it cannot be gone back in."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def write(self, block: bytes) -> int:
        self._target.write(block)
        return len(block)

    def flush(self) -> None:
        """Nothing is held back."""


def shorten_names(names: Iterable[str]) -> dict[str, str]:
    """The names that are too long, each with one of ten bytes that no other has."""
    given = list(names)
    taken = {name.lower() for name in given if len(name.encode()) <= _LETTERS}
    short: dict[str, str] = {}
    for name in given:
        if len(name.encode()) <= _LETTERS:
            continue
        made, number = _cut(name, _LETTERS), 1
        while made.lower() in taken:
            made = f"{_cut(name, _LETTERS - 1 - len(str(number)))}_{number}"
            number += 1
        taken.add(made.lower())
        short[name] = made
    return short


def _cut(name: str, length: int) -> str:
    return name.encode()[:length].decode(errors="ignore").rstrip("_")


def _list_names(names: Mapping[str, str], readme: Readme) -> str:
    if not names:
        return ""
    lines = [f"{short}: {name}" for name, short in names.items()]
    return "\n".join([*render_heading(readme, "names"), *lines, ""])


def _split(extract: Extract) -> list[Extract]:
    """One extract for each kind of geometry, because a Shapefile has only one."""
    if extract.geometry_type in _SINGLE:
        return [extract]
    return [
        replace(
            extract,
            id=f"{extract.id}-{name}",
            geometry_type=kind,
            selection=replace(extract.selection, dimension=dimension),
        )
        for dimension, (name, kind) in _KINDS.items()
    ]


def _write_part(extract: Extract, rows: Rows, folder: Path, archive: zipfile.ZipFile, fitting: _Fitting) -> int:
    """Write one kind of geometry into the archive, in as many files as needed; gives how many rows."""
    batches = map(fitting.fit, read_batches(extract, rows))
    part, number = next(batches, None), 1
    while part is not None or number == 1:
        piece = replace(extract, id=extract.id if number == 1 else f"{extract.id}-{number}")
        left: list[pa.RecordBatch] = []
        path = folder / f"{piece.id}.shp"
        reader = pa.RecordBatchReader.from_batches(fitting.schema(extract), _take(part, batches, left))
        moment = _find_moment(extract)
        options = {"ENCODING": "UTF-8", "DBF_DATE_LAST_UPDATE": f"{moment:%Y-%m-%d}"}
        write_layer(piece, reader, path, "ESRI Shapefile", options)
        stamp = time.mktime(moment.timetuple())  # an archive has a file's local time
        for ending in _ENDINGS:
            file = path.with_suffix(ending)
            if file.exists():
                os.utime(file, (stamp, stamp))
                archive.write(file, file.name)
                file.unlink()
        part, number = left[0] if left else None, number + 1
    return rows.count


def _find_moment(extract: Extract) -> datetime:
    """What all files are dated by: the rows, not when they are asked for, so that the same rows are the same bytes."""
    return extract.readme.updated or _NO_TIME


def _take(
    first: pa.RecordBatch | None, batches: Iterator[pa.RecordBatch], left: list[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Batches until a file is full; the first that does not fit is put into `left`."""
    shapes = table = 0
    batch = first
    while batch is not None:
        shapes += batch.column(batch.num_columns - 1).nbytes + 16 * len(batch)
        table += len(batch) * _width(batch.schema)
        if max(shapes, table) > _MOST and batch is not first:
            left.append(batch)
            return
        yield batch
        batch = next(batches, None)


def _width(schema: pa.Schema) -> int:
    """Bytes of a row in the table, at most."""
    return sum(_TEXT if pa.types.is_string(field.type) else 24 for field in schema)


@dataclass(frozen=True, slots=True)
class _Fitting:
    """Makes columns such as the format can hold: with short names, times and very large numbers as texts."""

    names: Mapping[str, str]
    wide: set[str]

    def schema(self, extract: Extract) -> pa.Schema:
        return pa.schema([(self.names.get(name, name), self._kind(name, kind)) for name, kind in list_columns(extract)])

    def fit(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [
            _as_text(column) if pa.types.is_timestamp(column.type) else column.cast(self._kind(name, column.type))
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, names=[self.names.get(name, name) for name in batch.schema.names])

    def _kind(self, name: str, kind: pa.DataType) -> pa.DataType:
        return pa.string() if name in self.wide or pa.types.is_timestamp(kind) else kind


def _as_text(times: pa.Array) -> pa.Array:
    """As ISO 8601 has them, without fractions that are none."""
    texts = pc.strftime(times, "%Y-%m-%dT%H:%M:%S")
    return pc.binary_join_element_wise(pc.replace_substring_regex(texts, r"\.0+$", ""), "Z", "")
