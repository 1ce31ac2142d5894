"""XLSX sheets through GDAL: every cell as text, then read by the same rules as a CSV. A sheet is held in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from geoserver.sources.base import BATCH_ROWS, Batch, Opened, pick_layer
from geoserver.sources.tables import NULLS, TableReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.sources.base import Request

__all__ = ["KIND", "Spreadsheet"]

_SAMPLE = 2000


@dataclass(frozen=True, slots=True)
class Spreadsheet:
    """The first row of a sheet is the header; `source_layer` names the sheet where there are several."""

    name: str = "xlsx"
    suffixes: tuple[str, ...] = (".xlsx",)

    def open(self, request: Request) -> Opened:
        import pyogrio  # noqa: PLC0415 - GDAL is large: only those who read its formats pay for it

        options = {"HEADERS": "FORCE", "FIELD_TYPES": "STRING"}
        try:
            sheet = pick_layer(request, [str(name) for name, _ in pyogrio.list_layers(request.path)])
            meta, table = pyogrio.read_arrow(request.path, layer=sheet, read_geometry=False, **options)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pa.ArrowException) as error:
            raise request.fail(f"cannot be read: {str(error).splitlines()[0]}") from error
        del meta
        table = table.rename_columns([_clean(name) for name in table.column_names])
        samples = {
            name: [value or "" for value in table.column(name).slice(0, _SAMPLE).to_pylist()]
            for name in table.column_names
        }
        reader = TableReader.plan(request, table.column_names, samples, separator=",")
        return Opened(
            _read(table, reader), assume_lonlat=True, total=table.num_rows, decimal=reader.decimal, samples=samples
        )


KIND = Spreadsheet()


def _read(table: Any, reader: TableReader) -> Iterator[Batch]:
    row = 2  # the header is row 1
    nulls = pa.array(NULLS)
    for block in table.to_batches(max_chunksize=BATCH_ROWS):
        lines = np.arange(row, row + len(block), dtype=np.int64)
        row += len(block)
        texts = {name: _without_blanks(block.column(name), nulls) for name in reader.names}
        yield reader.build_batch(lines, texts, [])


def _without_blanks(column: pa.Array, nulls: pa.Array) -> pa.Array:
    texts = column.cast(pa.string())
    return pa.compute.if_else(pa.compute.is_in(texts, value_set=nulls), None, texts)


def _clean(name: str) -> str:
    return " ".join(name.split())
