"""Bike paths: 90 km along main streets, the river, the shore and through parks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
import shapely.ops
from shapely.geometry import mapping

from antillia.city import City
from antillia.shapes import to_lonlat
from antillia.streets import Edge
from antillia.writing import write_geojson

TOTAL = 90_000.0  # metres


def write_bike_paths(path: Path, city: City, seed: int = 303) -> None:
    """Whole runs of streets, the most useful first, until 90 km are reached; the last one is cut to the metre."""
    rng = np.random.default_rng(seed)
    features = []
    left = TOTAL
    for name, kind, whole in _candidates(city, rng):
        line = shapely.ops.substring(whole, 0, min(left, whole.length))
        left -= line.length
        surface = {"track": "asphalt", "lane": "asphalt", "greenway": "gravel"}.get(kind, "paving stones")
        surface = surface if rng.random() < 0.8 else "concrete"
        features.append({
            "type": "Feature",
            "properties": {
                "name": name, "kind": kind, "surface": surface, "lit": bool(kind != "greenway" or rng.random() < 0.3),
                "width": round(float(rng.uniform(1.5, 3.2)), 1), "opened": int(rng.integers(1994, 2026)),
                "length": round(line.length, 1),
            },
            "geometry": _rounded(line),
        })  # fmt: skip
        if left <= 0.01:
            break
    write_geojson(path, "bike-paths", features)


def _rounded(line: object) -> dict[str, object]:
    shape = mapping(to_lonlat(line, 7))
    return {"type": shape["type"], "coordinates": [list(point) for point in shape["coordinates"]]}


def _candidates(city: City, rng: np.random.Generator) -> list[tuple[str, str, object]]:
    by_street: dict[str, list[Edge]] = {}
    for edge in city.edges:
        if edge.kind in ("primary", "secondary", "path", "residential"):
            by_street.setdefault(edge.name, []).append(edge)
    ranked = []
    for name, edges in by_street.items():
        kind = edges[0].kind
        middle = edges[0].line.interpolate(0.5, normalized=True)
        density = city.field.density_at(middle.x, middle.y)
        if (density < 0.1 and kind != "secondary") or name.startswith(("Trilho", "Vereda")):
            continue
        use = (
            {"primary": 1.6, "path": 1.2, "secondary": 0.8, "residential": 0.2}[kind]
            + density
            + float(rng.uniform(0, 1.2))
        )
        sort = {"primary": "track", "path": "greenway", "residential": "street"}.get(kind, "lane")
        side = {"primary": 6.0, "secondary": 4.5}.get(kind, 0.0)
        for line in shapely.get_parts(shapely.line_merge(shapely.union_all([edge.line for edge in edges]))):
            if line.length > 150:
                moved = line.offset_curve(side) if side else line
                ranked += [(use, name, sort, part) for part in shapely.get_parts(moved) if part.length > 120]
    ranked.sort(key=lambda row: (-row[0], row[1], row[3].length))
    return [(name, sort, line) for _, name, sort, line in ranked]
