"""Rows as Arrow record batches: COPY's text, read by Arrow some rows at a time, so that memory stays flat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from geoserver.database.exports import select_columns
from geoserver.fieldtypes import FIELD_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.database.exports import Rows
    from geoserver.fieldtypes import FieldType
    from geoserver.formats.base import Extract

__all__ = ["GEOMETRY", "list_columns", "read_batches", "type_of"]

GEOMETRY = "geometry"  # no field has this name
_BLOCK = 1 << 17  # bytes of text that become one batch


def type_of(kind: FieldType) -> pa.DataType:
    """Arrow's type of a field's values; times are in UTC."""
    if kind == "timestamp":
        return pa.timestamp("us", tz="UTC")
    name = FIELD_TYPES[kind].arrow
    return pa.date32() if name == "date32[day]" else pa.type_for_alias(name)


def list_columns(extract: Extract, place: str = "wkb") -> list[tuple[str, pa.DataType]]:
    """Names and types, in order: id, the key of the feature that readings belong to, fields, and the position, as WKB,
    as WKT, or as x and y (`xy`).
    """
    selection = extract.selection
    columns = [("fid", pa.int64())]
    if selection.owner_key:
        columns.append((selection.owner_key, type_of(selection.owner_key_type)))
    columns += [(item.name, type_of(item.type)) for item in extract.fields]
    match place if extract.geometry_type else "":
        case "wkb":
            columns.append((GEOMETRY, pa.binary()))
        case "xy":
            columns += [("x", pa.float64()), ("y", pa.float64())]
        case "wkt":
            columns.append((GEOMETRY, pa.string()))
    return columns


def read_batches(extract: Extract, rows: Rows, place: str = "wkb") -> Iterator[pa.RecordBatch]:
    """All rows; `place` says how their positions come, see `list_columns`."""
    columns = list_columns(extract, place)
    place = place if extract.geometry_type else ""
    schema = pa.schema(columns)
    names = [str(number) for number in range(len(columns))]  # a field may be called x
    types = {name: pa.string() if kind == pa.binary() else kind for name, (_, kind) in zip(names, columns, strict=True)}
    convert = pa_csv.ConvertOptions(
        column_types=types,
        true_values=["t"],
        false_values=["f"],
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    statement = select_columns(extract.selection, place)
    for block in rows.blocks(statement, _BLOCK):
        read = pa_csv.ReadOptions(use_threads=False, column_names=names, block_size=len(block) + 1)
        parse = pa_csv.ParseOptions(newlines_in_values=True)
        table = pa_csv.read_csv(pa.BufferReader(block), read_options=read, parse_options=parse, convert_options=convert)
        for batch in table.to_batches():
            arrays = list(batch.columns)
            if place == "wkb":
                arrays[-1] = _unhex(arrays[-1])
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _unhex(texts: pa.Array) -> pa.Array:
    """Hexadecimal text as the bytes that it stands for."""
    valid, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    digits = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]] if data is not None else np.empty(0, np.uint8)
    digits = np.where(digits > ord("9"), digits - (ord("a") - 10), digits - ord("0")).astype(np.uint8)
    content = (digits[0::2] << 4) | digits[1::2]
    halves = ((ends - ends[0]) // 2).astype(np.int32)
    buffers = [valid, pa.py_buffer(halves), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.binary(), len(texts), buffers, texts.null_count)
