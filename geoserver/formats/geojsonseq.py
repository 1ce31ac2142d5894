"""GeoJSONSeq: a feature a line, for programs that read line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoserver.database.exports import select_features
from geoserver.formats.base import Format

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.exports import Rows
    from geoserver.formats.base import Extract, Target

__all__ = ["FORMAT", "GeoJsonSeq"]


class GeoJsonSeq(Format):
    """Made by PostgreSQL."""

    id = "geojsonl"
    title = "GeoJSON, line by line"
    media_type = "application/geo+json-seq"
    order = 90
    lonlat = True

    def estimate(self, widths: Mapping[str, float]) -> float:
        return sum(width + len(name) + 6 for name, width in widths.items()) + 90

    def write(self, extract: Extract, rows: Rows, target: Target) -> None:
        target.write_all(rows.blocks(select_features(extract.selection)))


FORMAT = GeoJsonSeq()
