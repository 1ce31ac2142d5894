"""GeoJSON (RFC 7946): one FeatureCollection, whose lines PostgreSQL makes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from geoserver.database.exports import select_features
from geoserver.formats.base import Format
from geoserver.formats.readme import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.exports import Rows
    from geoserver.formats.base import Extract, Target

__all__ = ["FORMAT", "GeoJson"]


class GeoJson(Format):
    """What is said of the rows stands behind them, because their count does."""

    id = "geojson"
    title = "GeoJSON"
    media_type = "application/geo+json"
    order = 30
    lonlat = True

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
