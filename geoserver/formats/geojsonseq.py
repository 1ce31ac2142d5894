"""GeoJSONSeq: a feature a line, for programs that read line by line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geoserver.database.exports import select_features

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.exports import Rows
    from geoserver.database.status import LayerStatus
    from geoserver.formats.base import Extract, Subject, Target
    from geoserver.model import Layer

__all__ = ["FORMAT", "GeoJsonSeq"]


@dataclass(frozen=True, slots=True)
class GeoJsonSeq:
    """Made by PostgreSQL."""

    id: str = "geojsonl"
    title: str = "GeoJSON, line by line"
    media_type: str = "application/geo+json-seq"
    order: int = 90
    streams: bool = True
    styled: bool = False
    lonlat: bool = True
    of: frozenset[Subject] = frozenset({"features"})
    needs: tuple[str, ...] = ()

    def fits(self, layer: Layer, status: LayerStatus) -> bool:  # noqa: ARG002
        return True

    def told(self, layer: Layer, status: LayerStatus) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def estimate(self, widths: Mapping[str, float]) -> float:
        return sum(width + len(name) + 6 for name, width in widths.items()) + 90

    def write(self, extract: Extract, rows: Rows, target: Target) -> None:
        target.write_all(rows.blocks(select_features(extract.selection)))


FORMAT = GeoJsonSeq()
