"""The basemap's layers: land, water, parks, streets, buildings, places, as rows with lon/lat geometries."""

from __future__ import annotations

import geopandas
import numpy as np
import shapely

from antillia.city import City
from antillia.shapes import parts, to_lonlat, to_lonlat_valid, to_utm
from antillia.streets import CLASSES, WIDTHS
from antillia.writing import frame_of

# kinds of place that are lettered alike
_BROAD = {
    "sea": "water", "bay": "water", "river": "water", "canal": "water", "lake": "water", "harbour": "water",
    "garden": "park", "forest": "park", "cemetery": "park", "golf": "park", "beach": "park",
}  # fmt: skip


def basemap_layers(city: City) -> dict[str, geopandas.GeoDataFrame]:
    return {
        "land": _land(city),
        "water": _water(city),
        "parks": _parks(city),
        "streets": _streets(city),
        "buildings": _buildings(city),
        "places": _places(city),
    }


def district_frame(city: City) -> geopandas.GeoDataFrame:
    rows = city.districts
    shapes = to_utm(np.array([row.shape for row in rows], dtype=object))
    area = np.round(shapely.area(shapes) / 1e6, 3)
    people = np.array([row.people for row in rows])
    return frame_of(
        shapes, "EPSG:32626", DISTRICT=[row.number for row in rows], NAME=[row.name for row in rows], POPULATION=people,
        HOUSEHOLDS=np.round(people / 2.3).astype(int), AREA_KM2=area, PER_KM2=np.round(people / area).astype(int),
    )  # fmt: skip


def _land(city: City) -> geopandas.GeoDataFrame:
    rows = []
    for part in parts(city.geography.land):
        name = next((n for n, shape in city.geography.islands.items() if shape.intersects(part)), "Antillia")
        rows.append(("island", name, part))
    built = shapely.union_all([house.shape.buffer(60, quad_segs=2) for house in city.buildings]).buffer(
        -44, quad_segs=2
    )
    built = shapely.union_all([shapely.Polygon(part.exterior) for part in parts(built)])
    urban = built.simplify(4).intersection(city.geography.land)
    rows += [("urban", "", part) for part in parts(urban) if part.area > 8000]
    rows += [(use.kind, use.name, part) for use in city.uses for part in parts(use.shape)]
    return frame_of(_geometries(rows), "EPSG:4326", **{"class": [r[0] for r in rows], "name": [r[1] for r in rows]})


def _water(city: City) -> geopandas.GeoDataFrame:
    rows = city.geography.waters
    return frame_of(_geometries(rows), "EPSG:4326", **{"class": [r[0] for r in rows], "name": [r[1] for r in rows]})


def _parks(city: City) -> geopandas.GeoDataFrame:
    rows = [(green.kind, green.name, green.shape) for green in city.greens]
    area = [round(shape.area / 10_000, 2) for *_, shape in rows]
    columns = {"class": [r[0] for r in rows], "name": [r[1] for r in rows], "hectares": area}
    return frame_of(_geometries(rows), "EPSG:4326", **columns)


def _streets(city: City) -> geopandas.GeoDataFrame:
    edges = sorted(city.edges, key=lambda edge: -CLASSES.index(edge.kind))
    edges = [edge for edge in edges if edge.line.length > 0.1]
    return frame_of(
        to_lonlat(np.array([edge.line for edge in edges], dtype=object)), "EPSG:4326",
        **{"class": [edge.kind for edge in edges], "name": [edge.name for edge in edges],
           "rank": [CLASSES.index(edge.kind) + 1 for edge in edges], "bridge": [edge.bridge for edge in edges],
           "width": [WIDTHS[edge.kind] for edge in edges]},
    )  # fmt: skip


def _buildings(city: City) -> geopandas.GeoDataFrame:
    rows = city.buildings
    return frame_of(
        to_lonlat_valid([row.shape for row in rows]), "EPSG:4326",
        **{"class": [row.kind for row in rows], "name": [row.name for row in rows],
           "levels": [row.levels for row in rows], "height": [round(row.levels * 3.1 + 1.5, 1) for row in rows],
           "year": [row.year for row in rows]},
    )  # fmt: skip


def _places(city: City) -> geopandas.GeoDataFrame:
    rows = sorted(city.places, key=lambda place: (place.rank, place.name))
    return frame_of(
        to_lonlat(np.array([row.point for row in rows], dtype=object), 6), "EPSG:4326",
        **{"kind": [_BROAD.get(row.kind, row.kind) for row in rows], "class": [row.kind for row in rows],
           "name": [row.name for row in rows], "rank": [row.rank for row in rows],
           "population": [row.people for row in rows]},
    )  # fmt: skip


def _geometries(rows: list[tuple[str, str, object]]) -> object:
    return to_lonlat_valid([shape for *_, shape in rows])
