"""What is written by GDAL: batches of rows into a file, or into the pipe where the format can be written so."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from geoserver.formats.columns import GEOMETRY, list_columns, read_batches

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from geoserver.database.exports import Rows
    from geoserver.formats.base import Extract, Target

__all__ = ["name_geometry", "stream_to", "write_layer"]

_STDOUT = "/vsistdout/"  # GDAL's name of the standard output
_NAMES = {
    "POINT": "Point",
    "LINESTRING": "LineString",
    "POLYGON": "Polygon",
    "MULTIPOINT": "MultiPoint",
    "MULTILINESTRING": "MultiLineString",
    "MULTIPOLYGON": "MultiPolygon",
    "GEOMETRYCOLLECTION": "GeometryCollection",
}


def name_geometry(extract: Extract) -> str:
    """The type of the layer's geometry as GDAL calls it."""
    return _NAMES.get(extract.geometry_type, "Unknown")


def write_layer(
    extract: Extract,
    rows: Rows,
    path: Path | str,
    driver: str,
    *,
    batches: Iterator[pa.RecordBatch] | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Write all rows, or these batches of them, as one layer by this driver of GDAL."""
    import pyogrio  # noqa: PLC0415 - at hand in the process that this runs in, and in no other

    schema = pa.schema(list_columns(extract))
    if batches is None:
        batches = read_batches(extract, rows)
    reader = pa.RecordBatchReader.from_batches(schema, batches)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a format cannot hold is told by the format
        pyogrio.write_arrow(
            reader,
            str(path),
            layer=extract.id,
            driver=driver,
            geometry_name=GEOMETRY,
            geometry_type=name_geometry(extract),
            crs=extract.crs,
            **(options or {}),
        )


def stream_to(target: Target, name: str) -> str:
    """GDAL's name of the pipe that a file is read from, which ends as the file does; nothing else goes there now."""
    os.dup2(target.pipe, 1)
    return f"{_STDOUT}{name}"
