"""The register of trees: 40,000 along streets and in parks."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely

from antillia.city import City
from antillia.shapes import to_lonlat
from antillia.streets import WIDTHS
from antillia.writing import write_geoparquet

ROWS = 40_000
# species, share in streets, share in parks, height in m when grown
_SPECIES = [
    ("Platanus x hispanica", 0.17, 0.06, 26), ("Tilia cordata", 0.14, 0.06, 20), ("Celtis australis", 0.11, 0.03, 18),
    ("Jacaranda mimosifolia", 0.09, 0.02, 13), ("Acer platanoides", 0.09, 0.05, 18), ("Metrosideros excelsa", 0.08,
    0.04, 14),
    ("Ginkgo biloba", 0.06, 0.02, 19), ("Prunus cerasifera", 0.07, 0.02, 8), ("Citrus x aurantium", 0.06, 0.01, 6),
    ("Quercus robur", 0.03, 0.15, 25), ("Morella faya", 0.02, 0.14, 9), ("Laurus azorica", 0.02, 0.13, 11),
    ("Cryptomeria japonica", 0.01, 0.12, 28), ("Pinus pinaster", 0.01, 0.1, 24), ("Dracaena draco", 0.02, 0.02, 7),
    ("Olea europaea", 0.02, 0.03, 8),
]  # fmt: skip
_HEALTH = ["excellent", "good", "fair", "poor", "dead"]


def write_trees(path: Path, city: City, seed: int = 202) -> None:
    rng = np.random.default_rng(seed)
    street = _along_streets(city, rng)
    park = _in_parks(city, ROWS - len(street), rng)
    xy = np.vstack([street, park])
    where = np.array(["street"] * len(street) + ["park"] * len(park))
    share = np.array([[row[1], row[2]] for row in _SPECIES])
    share /= share.sum(axis=0)
    kind = np.concatenate([
        _in_runs(rng, len(street), share[:, 0]), rng.choice(len(_SPECIES), len(park), p=share[:, 1]),
    ])  # fmt: skip
    grown = np.array([row[3] for row in _SPECIES])[kind]
    age = np.clip(rng.gamma(2.2, 16, ROWS), 0.4, 180)
    height = np.round(np.maximum(1.8, grown * (1 - np.exp(-age / 28)) * rng.uniform(0.75, 1.15, ROWS)), 1)
    first = date(2025, 12, 31)
    planted = [first - timedelta(days=int(years * 365.25)) for years in age]
    risk = np.clip(age / 160 + rng.normal(0, 0.22, ROWS), 0, 1)
    health = np.array(_HEALTH)[np.digitize(np.round(risk, 9), [0.1, 0.42, 0.68, 0.93])]
    girth = np.round(np.maximum(6, age * rng.uniform(0.9, 1.7, ROWS))).astype(int)
    order = np.lexsort((xy[:, 0], np.floor(xy[:, 1] / 400)))
    points = np.array(to_lonlat(shapely.points(xy), 6))
    table = pa.table({
        "tree": pa.array(np.arange(1, ROWS + 1), pa.int32()),
        "species": pa.array([_SPECIES[i][0] for i in kind[order]]).dictionary_encode(),
        "planted": pa.array([planted[i] for i in order], pa.date32()),
        "height": pa.array(height[order]),
        "girth": pa.array(girth[order], pa.int32()),
        "health": pa.array(health[order]).dictionary_encode(),
        "place": pa.array(where[order]).dictionary_encode(),
    })  # fmt: skip
    write_geoparquet(path, table, points[order])


def _in_runs(rng: np.random.Generator, count: int, share: np.ndarray) -> np.ndarray:
    """Along a street one species follows itself: runs of about a dozen."""
    found = rng.choice(len(share), count, p=share)
    keep = rng.random(count) < 0.9
    keep[0] = False
    start = np.maximum.accumulate(np.where(keep, 0, np.arange(count)))
    return found[start]


def _along_streets(city: City, rng: np.random.Generator) -> np.ndarray:
    """Rows on both sides, closer on avenues; in some streets none."""
    found = []
    for edge in city.edges:
        middle = edge.line.interpolate(0.5, normalized=True)
        density = city.field.density_at(middle.x, middle.y)
        chance = {"primary": 0.95, "secondary": 0.7, "residential": 0.42}.get(edge.kind, 0)
        if edge.bridge or density < 0.1 or rng.random() > chance:
            continue
        spacing = {"primary": 11, "secondary": 13}.get(edge.kind, 17) * float(rng.uniform(0.85, 1.4))
        for side in (-1, 1):
            if edge.kind == "residential" and rng.random() < 0.4:
                continue
            line = edge.line.offset_curve(side * (WIDTHS[edge.kind] / 2 + 0.2))
            if line.is_empty or line.length < 25:
                continue
            places = np.arange(9, line.length - 8, spacing)
            points = shapely.get_coordinates(
                shapely.line_interpolate_point(line, places + rng.uniform(-1.5, 1.5, len(places)))
            )
            found.append(points[rng.random(len(points)) > 0.07])
    trees = np.round(np.vstack(found), 2)
    shapely.prepare(city.geography.ground)
    trees = trees[shapely.contains_xy(city.geography.ground, trees[:, 0], trees[:, 1])]
    most = round(ROWS * 0.74)
    return trees[np.sort(rng.choice(len(trees), most, replace=False))] if len(trees) > most else trees


def _in_parks(city: City, count: int, rng: np.random.Generator) -> np.ndarray:
    """In the parks, groups and lone trees; the woods' edges only, since nobody counts a wood."""
    shapes = [green.shape.buffer(-5) for green in city.greens if green.kind in ("park", "garden", "cemetery", "golf")]
    shapes += [
        green.shape.difference(green.shape.buffer(-40)).intersection(city.geography.ground)
        for green in city.greens
        if green.kind == "forest"
    ]
    area = shapely.union_all(shapes)
    shapely.prepare(area)
    west, south, east, north = area.bounds
    found = np.zeros((0, 2))
    while len(found) < count:
        centres = rng.uniform((west, south), (east, north), (60_000, 2))
        points = np.round(centres + rng.normal(0, 4, centres.shape), 2)
        inside = shapely.contains_xy(area, points[:, 0], points[:, 1])
        found = np.vstack([found, points[inside]])
    return found[:count]
