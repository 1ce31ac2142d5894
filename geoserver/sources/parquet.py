"""GeoParquet (and Parquet with coordinate columns) by pyarrow, row group after row group."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geoserver.sources.base import BATCH_ROWS, Batch, Opened
from geoserver.sources.names import fail_for_columns, match_names
from geoserver.sources.positions import PositionColumns, find_positions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.sources.base import Request

__all__ = ["KIND", "Parquet"]

_CRS84 = "OGC:CRS84"  # what the specification says where a file says nothing
_BUFFER = 1 << 20
_NAMES = ("geometry", "geom", "wkb_geometry", "wkb")


_NO_COLUMNS = PositionColumns()


@dataclass(frozen=True, slots=True)
class _Where:
    """The column with the geometry and its encoding, or the columns with x and y; with the CRS."""

    column: str = ""
    encoding: str = ""
    xy: PositionColumns = _NO_COLUMNS
    crs: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return (self.column,) if self.column else self.xy.names


@dataclass(frozen=True, slots=True)
class Parquet:
    """Parquet files; the geometry as WKB or as GeoArrow points, or numbers in two columns."""

    name: str = "parquet"
    suffixes: tuple[str, ...] = (".parquet", ".geoparquet")

    def open(self, request: Request) -> Opened:
        import pyarrow.parquet  # noqa: PLC0415 - only those who read Parquet pay for it

        try:
            file = pyarrow.parquet.ParquetFile(request.path, buffer_size=_BUFFER, pre_buffer=False)
        except (pa.ArrowException, OSError) as error:
            raise request.fail(f"cannot be read: {error}") from error
        schema = file.schema_arrow
        request = match_names(request, schema.names)
        fail_for_columns(request, request.columns, schema.names)
        where = _find_geometry(request, schema) if request.positions else _Where()
        return Opened(
            _read(file, where, request),
            crs=where.crs,
            assume_lonlat=bool(where.xy.names),
            total=file.metadata.num_rows,
            columns=tuple(schema.names),
        )


KIND = Parquet()


def _find_geometry(request: Request, schema: pa.Schema) -> _Where:
    """By the file's geo metadata, else a binary column with a usual name, else coordinate columns."""
    geo = _read_metadata(request, schema)
    if geo:
        column = request.csv.geometry or str(geo["primary_column"])
        if column not in geo["columns"] or column not in schema.names:
            raise request.fail(f"has no geometry column {column!r}")
        about = geo["columns"][column]
        encoding = str(about.get("encoding", ""))
        if encoding not in ("WKB", "point"):
            raise request.fail(f"the geometry encoding {encoding!r} cannot be read; expected WKB or point")
        crs = about.get("crs", _CRS84)
        return _Where(column, encoding, crs=None if crs is None else json.dumps(crs) if isinstance(crs, dict) else crs)
    for name in (request.csv.geometry, *_NAMES):
        if name in schema.names and _is_binary(schema.field(name).type):
            return _Where(name, "WKB")
    numbers = [field.name for field in schema if pa.types.is_floating(field.type) or pa.types.is_integer(field.type)]
    return _Where(xy=find_positions(request, numbers, {}))


def _read_metadata(request: Request, schema: pa.Schema) -> dict[str, Any] | None:
    raw = (schema.metadata or {}).get(b"geo")
    if raw is None:
        return None
    try:
        geo = json.loads(raw)
        return geo if geo["columns"][geo["primary_column"]] is not None else None
    except (ValueError, KeyError, TypeError) as error:
        raise request.fail(f"its geo metadata cannot be read: {error}") from error


def _read(file: Any, where: _Where, request: Request) -> Iterator[Batch]:
    names = list(dict.fromkeys([*request.columns, *where.names]))
    row = 1
    try:
        for block in file.iter_batches(batch_size=BATCH_ROWS, columns=names, use_threads=False):
            lines = np.arange(row, row + len(block), dtype=np.int64)
            row += len(block)
            columns = {name: _as_plain(block.column(name)) for name in request.columns}
            batch = Batch(lines, columns)
            if where.encoding == "WKB":
                batch.wkb = _storage(block.column(where.column))
            elif where.encoding == "point":
                batch.points = _axes(pc.struct_field(_storage(block.column(where.column)), name) for name in ("x", "y"))
            elif where.xy.names:
                batch.points = _axes(block.column(name) for name in where.xy.names)
            yield batch
    except (pa.ArrowException, OSError) as error:
        raise request.fail(f"cannot be read after row {row - 1}: {error}") from error
    finally:
        file.close()


def _axes(columns: Iterator[pa.Array]) -> tuple[np.ndarray, np.ndarray]:
    x, y = (pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False) for column in columns)
    return x, y


def _storage(column: pa.Array) -> pa.Array:
    return column.storage if isinstance(column, pa.ExtensionArray) else column


def _as_plain(column: pa.Array) -> pa.Array:
    column = _storage(column)
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
