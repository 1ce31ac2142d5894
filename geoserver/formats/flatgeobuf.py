"""FlatGeobuf, written as it is read: without a spatial index, which would need all rows before the first."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from geoserver.formats.base import Format
from geoserver.formats.columns import read_batches
from geoserver.formats.readme import render_text
from geoserver.formats.vector import TIMES, stream_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.exports import Rows
    from geoserver.database.status import LayerStatus
    from geoserver.formats.base import Extract, Target
    from geoserver.model import Layer

__all__ = ["FORMAT", "FlatGeobuf"]


class FlatGeobuf(Format):
    """Written by GDAL."""

    id = "fgb"
    title = "FlatGeobuf"
    media_type = "application/vnd.flatgeobuf"
    order = 80
    needs = ("pyogrio", "pyarrow.csv")

    def told(self, layer: Layer, status: LayerStatus) -> tuple[str, ...]:  # noqa: ARG002
        return (TIMES,) if any(item.type == "timestamp" for item in layer.listed_fields) else ()

    def estimate(self, widths: Mapping[str, float]) -> float:
        return sum(width + 6 for width in widths.values()) + 90

    def write(self, extract: Extract, rows: Rows, target: Target) -> None:
        options = {"TITLE": extract.readme.title, "DESCRIPTION": render_text(extract, None)}
        batches = read_batches(extract, rows)
        if (first := next(batches, None)) is not None:
            options["SPATIAL_INDEX"] = "NO"
            stream_rows(extract, chain([first], batches), target, "FlatGeobuf", options, ending="fgb")
            return
        # Without an index GDAL writes nothing at all where there is nothing to write.
        path = target.folder / f"{extract.id}.fgb"
        write_rows(extract, [], path, "FlatGeobuf", options)
        target.write(path.read_bytes())


FORMAT = FlatGeobuf()
