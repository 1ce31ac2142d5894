"""GeoParquet 1.1 by pyarrow, written row group by row group; readings as plain Parquet."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pyarrow as pa

from geoserver.formats.base import Format
from geoserver.formats.columns import GEOMETRY, list_columns, read_batches
from geoserver.formats.readme import describe, describe_field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from geoserver.database.exports import Rows
    from geoserver.formats.base import Extract, Subject, Target

__all__ = ["FORMAT", "GeoParquet"]

_GROUP = 10_000  # rows that are read together, and held in memory until all of them are there
_PAGE = 1 << 16  # bytes, for each column in memory too
_NAMES = {
    "POINT": "Point",
    "LINESTRING": "LineString",
    "POLYGON": "Polygon",
    "MULTIPOINT": "MultiPoint",
    "MULTILINESTRING": "MultiLineString",
    "MULTIPOLYGON": "MultiPolygon",
}


class GeoParquet(Format):
    """Titles, units and labels of fields stand in the file's metadata, and each field's in its own."""

    id = "parquet"
    title = "GeoParquet"
    media_type = "application/vnd.apache.parquet"
    order = 70
    of: frozenset[Subject] = frozenset({"features", "readings"})
    needs = ("pyarrow.csv", "pyarrow.parquet")

    def __init__(self, compression: str = "zstd") -> None:
        """`compression` is `zstd`, or `snappy`, which small readers in browsers know."""
        self.compression = compression

    def estimate(self, widths: Mapping[str, float]) -> float:
        return 0.35 * sum(widths.values()) + 8

    def write(self, extract: Extract, rows: Rows, target: Target) -> None:
        import pyarrow.parquet as pq  # noqa: PLC0415 - at hand in the process that this runs in, and in no other

        told = {item.name: describe_field(item) for item in extract.fields}
        schema = pa.schema(
            [pa.field(name, kind, metadata=told.get(name)) for name, kind in list_columns(extract)],
            metadata={"geo": _build_geo(extract)} if extract.geometry_type else None,
        )
        sink = pa.PythonFile(_Counted(target), mode="w")
        sizes = {"data_page_size": _PAGE, "dictionary_pagesize_limit": _PAGE}
        with pq.ParquetWriter(sink, schema, compression=self.compression, store_schema=True, **sizes) as writer:
            for group in _gather(read_batches(extract, rows)):
                writer.write_table(pa.Table.from_batches(group), sum(map(len, group)))
            about = json.dumps(describe(extract, rows.count), ensure_ascii=False)
            writer.add_key_value_metadata({"about": about})


FORMAT = GeoParquet()


def _gather(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches that make a row group each."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(map(len, held)) >= _GROUP:
            yield held
            held = []
    if held:
        yield held


class _Counted(io.RawIOBase):
    """A pipe that knows how much went into it, which Parquet's footer speaks of."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, block: object) -> int:
        content = memoryview(block).cast("B")  # type: ignore[arg-type]
        self._target.write(content)
        self._written += len(content)
        return len(content)


def _build_geo(extract: Extract) -> str:
    """The file's metadata as the GeoParquet specification has it."""
    kind = _NAMES.get(extract.geometry_type)
    column: dict[str, object] = {"encoding": "WKB", "geometry_types": [kind] if kind else []}
    if extract.crs != "EPSG:4326":  # else longitude and latitude, as the specification says where a file says nothing
        import pyproj  # noqa: PLC0415 - large, and not for those who have no use for it

        column["crs"] = pyproj.CRS.from_user_input(extract.crs).to_json_dict()
    return json.dumps({"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}})
