"""GeoJSON (RFC 7946): one FeatureCollection, whose lines PostgreSQL makes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geoserver.database.exports import select_features
from geoserver.formats.readme import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.exports import Rows
    from geoserver.database.status import LayerStatus
    from geoserver.formats.base import Extract, Subject, Target
    from geoserver.model import Layer

__all__ = ["FORMAT", "GeoJson"]


@dataclass(frozen=True, slots=True)
class GeoJson:
    """What is said of the rows stands behind them, because their count does."""

    id: str = "geojson"
    title: str = "GeoJSON"
    media_type: str = "application/geo+json"
    order: int = 30
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
        name = json.dumps(extract.id)
        target.write(f'{{"type":"FeatureCollection","name":{name},"features":[\n'.encode())
        rest = b""  # held back, because what follows decides whether a comma does
        for block in rows.blocks(select_features(extract.selection)):
            lines = rest + block
            end = lines.rstrip(b"\n")
            target.write(end.replace(b"}\n{", b"},\n{"))
            rest = b",\n"
        told = {"numberReturned": rows.count, "about": describe(extract, rows.count)}
        target.write(b"\n]," + json.dumps(told, ensure_ascii=False).encode()[1:] + b"\n")


FORMAT = GeoJson()
