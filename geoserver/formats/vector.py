"""What is written by GDAL: batches of rows into a file, or into the pipe where the format can be written so."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from geoserver.formats.columns import GEOMETRY, list_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from geoserver.formats.base import Extract, Target

__all__ = ["TIMES", "name_geometry", "stream_rows", "write_layer", "write_rows"]

_SECOND = 1_000_000
_STDOUT = "/vsistdout/"  # GDAL's name of the standard output
TIMES = "Times are to the millisecond, before 1970 to the second."
_WHOLE = {"GPKG": {"VERSION": "1.3"}}  # programs of some years ago read this one without a warning
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


def write_rows(
    extract: Extract, batches: Iterable[pa.RecordBatch], path: Path | str, driver: str, options: Mapping[str, str]
) -> None:
    """Write rows as one layer by this driver of GDAL."""
    schema = pa.schema(list_columns(extract))
    write_layer(extract, pa.RecordBatchReader.from_batches(schema, map(_fit, batches)), path, driver, options)


def write_layer(
    extract: Extract, reader: pa.RecordBatchReader, path: Path | str, driver: str, options: Mapping[str, str]
) -> None:
    """The same of batches that were seen to by the format."""
    import pyogrio  # noqa: PLC0415 - at hand in the process that this runs in, and in no other

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
            layer_options=dict(options),
            dataset_options=_WHOLE.get(driver, {}),
        )


def _fit(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Times before 1970 to the second: GDAL would move their fractions into the next one."""
    arrays = [_floor(column) if pa.types.is_timestamp(column.type) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)


def _floor(times: pa.Array) -> pa.Array:
    """By numpy: Arrow's own functions are a megabyte of Python in each process."""
    valid, values = times.buffers()
    moments = np.frombuffer(values, np.int64)
    if not (moments < 0).any():
        return times
    floored = np.where(moments < 0, moments // _SECOND * _SECOND, moments)
    return pa.Array.from_buffers(times.type, len(times), [valid, pa.py_buffer(floored)], times.null_count, times.offset)


def stream_rows(
    extract: Extract,
    batches: Iterable[pa.RecordBatch],
    target: Target,
    driver: str,
    options: Mapping[str, str],
    *,
    ending: str,
) -> None:
    """The same by a driver that only ever appends; its bytes go out while it writes."""
    os.dup2(target.lend(), 1)  # nothing else goes there now
    write_rows(extract, _followed(batches, target), f"{_STDOUT}{extract.id}.{ending}", driver, options)
    target.follow()


def _followed(batches: Iterable[pa.RecordBatch], target: Target) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        target.follow()
        yield batch
