"""Generated streets and buildings of the points' city, the same bytes every time.

Neighbourhoods have a street grid each, turned its own way; buildings stand along both sides of the streets.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import shapely
from pyarrow import parquet

from benchmarks.data import CENTRE, CITY, SEED, is_written, note_written

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "BUILDINGS_FILE",
    "STREETS_FILE",
    "SURFACES",
    "USES",
    "build_areas_file",
    "write_areas",
    "write_buildings",
    "write_streets",
]

# The first is common and the last rare.
SURFACES = ("asphalt", "paving stones", "concrete", "gravel", "earth", "sand")
USES = ("residential", "garage", "commercial", "shed", "retail", "office", "industrial", "school", "church")
_AREAS = (130, 32, 420, 24, 260, 600, 1500, 900, 500)  # median square metres of each use
_NEIGHBOURHOODS = 160
_BLOCK = (140.0, 85.0)  # metres between the streets of a grid
_PLOT = 17.0  # metres of street in front of a building
_VERTEX = 0.0004  # degrees from one vertex of a border to the next, at most
_METRES = (111_320 * np.cos(np.radians(CENTRE[1])), 111_320)  # of a degree there

STREETS_FILE = """\
title = "Generated streets"
description = "Segments of streets and paths for measuring; not real."
license = "CC0-1.0"
source = "data/streets.parquet"
key = "segment"
kind = "lines"
time = "opened"
label = "name"

[fields.segment]
type = "integer"

[fields.name]
type = "text"

[fields.surface]
type = "text"
filter = "choice"

[fields.opened]
type = "date"
filter = "range"
"""

BUILDINGS_FILE = """\
title = "Generated buildings"
description = "Footprints along the streets for measuring; not real."
license = "CC0-1.0"
source = "data/buildings.parquet"
key = "building"
kind = "polygons"
time = "built"
label = "use"

[fields.building]
type = "integer"

[fields.use]
type = "text"
filter = "choice"

[fields.height]
type = "number"
unit = "m"
filter = "range"

[fields.built]
type = "date"
filter = "range"
"""

AREAS_FILE = """\
title = "Generated areas"
description = "The city in parts, without gaps, for measuring; not real."
license = "CC0-1.0"
source = "data/{source}"
key = "area"
kind = "polygons"
label = "name"

[fields.area]
type = "integer"

[fields.name]
type = "text"
"""


def build_areas_file(source: str) -> str:
    """The layer file over areas in that file of the folder `data`."""
    return AREAS_FILE.replace("{source}", source)


def write_areas(path: Path, rows: int) -> Path:
    """Write GeoParquet with area, name, geometry: parts of the city with winding borders that fit together."""
    if is_written(path, rows):
        return path
    random = np.random.default_rng(SEED + 2)
    seeds = shapely.multipoints(random.normal(CENTRE, CITY, (rows, 2)))
    frame = shapely.box(*(CENTRE - 6 * np.array(CITY)), *(CENTRE + 6 * np.array(CITY)))
    parts = shapely.get_parts(shapely.voronoi_polygons(seeds, extend_to=frame))
    drawn = shapely.segmentize(shapely.intersection(parts, frame), _VERTEX)
    columns = {"area": np.arange(1, rows + 1), "name": [f"Area {number}" for number in range(1, rows + 1)]}
    return _write(path, rows, columns, shapely.transform(drawn, _wind))


def _wind(places: np.ndarray) -> np.ndarray:
    """Bent in waves of some kilometres, and of some hundred metres."""
    x, y = places[:, 0], places[:, 1]
    bent = [0.002 * np.sin(400 * along) + 0.0002 * np.sin(6_000 * along) for along in (y, x)]
    return places + np.column_stack(bent)


def write_streets(path: Path, rows: int) -> Path:
    """Write GeoParquet with segment, name, surface, opened, geometry; kept when it is there."""
    if is_written(path, rows):
        return path
    random = np.random.default_rng(SEED + 1)
    streets = _build_streets(random, rows)
    columns = {
        "segment": np.arange(1, rows + 1),
        "name": [f"Street {number}" for number in streets["neighbourhood"] * 100 + streets["grid"]],
        "surface": random.choice(SURFACES, rows, p=_skewed(len(SURFACES))),
        "opened": _build_days(random, rows, 1950),
    }
    return _write(path, rows, columns, _draw_streets(random, streets))


def write_buildings(path: Path, rows: int) -> Path:
    """Write GeoParquet with building, use, height, built, geometry; kept when it is there."""
    if is_written(path, rows):
        return path
    random = np.random.default_rng(SEED + 1)  # the same streets
    streets = _build_streets(random, max(1, rows * 2 // 5))
    per_side = np.maximum(1, (streets["length"] / _PLOT).astype(int))
    street = np.repeat(np.arange(len(per_side)), 2 * per_side)
    number = np.arange(len(street)) - np.repeat(np.cumsum(2 * per_side) - 2 * per_side, 2 * per_side)
    if len(street) < rows:
        raise RuntimeError(f"only {len(street):,} of {rows:,} buildings find a place")
    street, number = street[:rows], number[:rows]
    use = random.choice(len(USES), rows, p=_skewed(len(USES)))
    area = np.clip(np.array(_AREAS)[use] * random.lognormal(0, 0.45, rows), 20, 2000)
    large = random.random(rows) < 0.004  # halls and shopping centres
    area[large] *= random.uniform(2, 10, int(large.sum()))
    along = (number // 2 + 0.5 + random.uniform(-0.15, 0.15, rows)) * streets["length"][street] / per_side[street]
    side = np.where(number % 2, 1, -1)
    geometries = _draw_buildings(random, streets, street, along=along, side=side, area=area)
    columns = {
        "building": np.arange(1, rows + 1),
        "use": np.array(USES)[use],
        "height": (3 + random.gamma(1.6, 2.2, rows) + np.sqrt(area) / 8).round(1),
        "built": _build_days(random, rows, 1880),
    }
    return _write(path, rows, columns, geometries)


def _skewed(count: int) -> list[float]:
    weights = [0.55**number for number in range(count)]
    return [weight / sum(weights) for weight in weights]


def _build_days(random: np.random.Generator, rows: int, first: int) -> np.ndarray:
    """Days of `first` to 2024, most of them in the last third."""
    share = random.beta(2.5, 1.3, rows)
    days = int((np.datetime64("2025-01-01") - np.datetime64(f"{first}-01-01")).astype(int))
    found: np.ndarray = np.datetime64(f"{first}-01-01") + (share * days).astype("timedelta64[D]")
    return found


def _build_streets(random: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    """Segments: start (degrees), direction (radians), length (metres), neighbourhood, and its grid line's number."""
    centres = random.normal(CENTRE, CITY, (_NEIGHBOURHOODS, 2))
    radii = random.lognormal(np.log(650), 0.5, _NEIGHBOURHOODS)
    turned = random.uniform(0, np.pi / 2, _NEIGHBOURHOODS)
    weights = 1 / np.arange(12, _NEIGHBOURHOODS + 12)
    chosen = random.choice(_NEIGHBOURHOODS, rows, p=weights / weights.sum())
    local = random.normal(0, 1, (rows, 2)) * radii[chosen, None]
    local = np.round(local / _BLOCK) * _BLOCK  # crossings of the grid
    across = random.random(rows) < 0.45
    length = np.where(across, _BLOCK[1], _BLOCK[0]) * random.lognormal(-0.2, 0.55, rows)
    long = random.random(rows) < 0.02  # roads and paths that lead out of the city
    length[long] *= random.uniform(4, 25, int(long.sum()))
    grid = np.abs(np.where(across, local[:, 0] / _BLOCK[0] * 2, local[:, 1] / _BLOCK[1] * 2 + 1)).astype(int) % 100
    return {
        "start": centres[chosen] + _turn(local, turned[chosen]) / _METRES,
        "direction": turned[chosen] + np.where(across, np.pi / 2, 0),
        "length": np.maximum(length, 12),
        "neighbourhood": chosen,
        "grid": grid,
    }


def _turn(places: np.ndarray, angle: np.ndarray) -> np.ndarray:
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y = places[:, 0], places[:, 1]
    return np.column_stack([x * cosine - y * sine, x * sine + y * cosine])


def _draw_streets(random: np.random.Generator, streets: dict[str, np.ndarray]) -> Any:
    """Lines: three of five straight, the others winding, with a vertex every few dozen metres."""
    rows = len(streets["length"])
    winding = random.random(rows) < 0.4
    vertices = np.where(winding, np.clip(streets["length"] / 25, 4, 60).astype(int), 2)
    line = np.repeat(np.arange(rows), vertices)
    order = np.arange(len(line)) - np.repeat(np.cumsum(vertices) - vertices, vertices)
    share = order / (vertices[line] - 1)
    bend = np.where(winding, random.normal(0, 0.06, rows) * streets["length"], 0)[line]
    waves = random.uniform(1, 4, rows)[line]
    shape = np.column_stack([share * streets["length"][line], bend * np.sin(np.pi * waves * share)])
    places = streets["start"][line] + _turn(shape, streets["direction"][line]) / _METRES
    return shapely.linestrings(places.round(7), indices=line)


def _draw_buildings(
    random: np.random.Generator,
    streets: dict[str, np.ndarray],
    street: np.ndarray,
    *,
    along: np.ndarray,
    side: np.ndarray,
    area: np.ndarray,
) -> Any:
    """Polygons: seven of ten rectangles, the others with a corner taken out; `along` in metres, `side` -1 or 1."""
    rows = len(street)
    width = np.sqrt(area * random.uniform(0.6, 1.7, rows))
    depth = area / width
    middle = np.column_stack([along, side * (8 + depth / 2 + random.exponential(2, rows))])
    notch_x, notch_y = random.uniform(-0.2, 0.4, (2, rows))
    half = np.full(rows, 0.5)
    corners = np.array(
        [[-half, -half], [half, -half], [half, notch_y], [notch_x, notch_y], [notch_x, half], [-half, half]]
    )
    whole = (random.random(rows) < 0.7) | (area < 45)
    corners[2:5, :, whole] = 0.5  # the notch closed: a rectangle, its corner said three times
    corners = corners.transpose(2, 0, 1) * np.column_stack([width, depth])[:, None, :] + middle[:, None, :]
    ring = np.repeat(np.arange(rows), 6)
    places = (
        streets["start"][street[ring]] + _turn(corners.reshape(-1, 2), streets["direction"][street[ring]]) / _METRES
    )
    rings = shapely.linearrings(places.round(7), indices=ring)
    return shapely.remove_repeated_points(shapely.polygons(rings))


def _write(path: Path, rows: int, columns: dict[str, Any], geometries: np.ndarray) -> Path:
    """Write GeoParquet in CRS84, rows in random order as a city's own files have them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(SEED).permutation(rows)
    table = pa.table(columns | {"geometry": pa.array(shapely.to_wkb(geometries))}).take(order)
    about = {"encoding": "WKB", "geometry_types": sorted({geometry.geom_type for geometry in geometries[:1]})}
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": about}}
    parquet.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    note_written(path, rows)
    return path
