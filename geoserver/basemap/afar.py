"""What a basemap is from afar: land, water, main streets and railways, merged and simplified anew for each zoom.

A map that leaves out half of a city's blocks because each is small shows no city. So areas of one class that are less
than two pixels apart become one, then what is small goes, and lines that run side by side within half a pixel become
one. Each zoom is made of the one before it, which is nearer.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely

from geoserver.basemap.shapes import subdivide
from geoserver.basemap.sheets import FARTHEST
from geoserver.basemap.writing import GEOMETRY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

__all__ = ["build_afar"]

type Shapes = np.ndarray  # of geometries in EPSG:3857

_PIXEL = 40_075_016.685578488 / 512  # metres at zoom 0
_GAP = 0.75  # pixels on each side by which areas of a class grow to become one, before they shrink again
_LEAST = 4.0  # square pixels of an area that is kept, and of a hole
_SHORT, _LOOSE = 1.0, 4.0  # pixels of a line that is kept between others, and of one that ends by itself
_AT_ONCE = 2  # classes: the work is done outside of Python
_BUFFER = 64 / 4096  # of a tile's side, around it
_GRID = 8  # units of a tile in a pixel
_CORNERS = 2_000  # of a piece: a tile takes as long as the largest that reaches into it
# What each class of a file is from afar; what is not named is not drawn there.
_AREAS = {
    "land": {
        "ground": "ground", "urban": "urban", "industrial": "industrial", "airport": "airport", "runway": "airport",
        "farmland": "farmland", "meadow": "meadow", "orchard": "orchard", "glacier": "glacier",
    },
    "parks": {
        "park": "park", "garden": "park", "scrub": "park", "grass": "park", "forest": "forest", "cemetery": "cemetery",
        "golf": "golf", "beach": "beach", "wetland": "wetland",
    },
    "water": dict.fromkeys(("lake", "river", "canal", "dock", "basin"), "water"),
}  # fmt: skip
_WHOLE = ("ground",)  # what the coast bounds: no strait may close, and no islet vanish before it has to
_LINES: dict[
    str, dict[str, tuple[str, int, float]]
] = {  # class -> what it is, the first zoom that draws it, and the grid on which it is merged, in pixels
    "streets": {"motorway": ("motorway", 6, 0.5), "primary": ("primary", 9, 0.5), "secondary": ("secondary", 10, 0.5)},
    "side-streets": {"residential": ("residential", 12, 0)},  # so many that they are joined alone
    "railways": {"rail": ("rail", 10, 2.0), "light_rail": ("rail", 10, 2.0)},
    "waterways": {"river": ("river", 8, 0.5), "canal": ("canal", 10, 0.5)},
}
_FIRST = {kind: (zoom, grid) for classes in _LINES.values() for kind, zoom, grid in classes.values()}


def build_afar(folder: Path, tell: Callable[[str, int], None]) -> Iterator[pa.RecordBatch]:
    """Rows of the sheet `afar`, made of what the files of other sheets in the folder hold."""
    found = dict(_read_areas(folder)) | dict(_read_lines(folder))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        largest = sorted(found, key=lambda kind: -len(found[kind]) * (kind not in _FIRST))  # areas, which take long
        jobs = {kind: pool.submit(_draw, kind, found[kind]) for kind in largest}
        for number, kind in enumerate(found):
            tell("from afar", number)
            yield from jobs[kind].result()


def _draw(kind: str, shapes: Shapes) -> list[pa.RecordBatch]:
    """What is of one class, for each zoom that draws it."""
    drawn = []
    for zoom in range(FARTHEST, -1, -1):
        merged = (_merge_lines if kind in _FIRST else _merge_areas)(kind, shapes, zoom)
        if not len(merged):
            break
        if len(rows := _build_rows(kind, zoom, merged)):
            drawn.append(rows)
        if zoom < FARTHEST or kind in _FIRST:  # what is small may become part of something larger at the next zoom
            shapes = merged
    return drawn


def _read_areas(folder: Path) -> Iterator[tuple[str, Shapes]]:
    found: dict[str, list[Shapes]] = {}
    pixel = _PIXEL / 2**FARTHEST
    for name, classes in _AREAS.items():
        for kind, shapes in _read(folder / f"{name}.parquet", classes):
            if kind not in _WHOLE:
                shapes = shapely.simplify(shapes, pixel / 4, preserve_topology=False)  # noqa: PLW2901 - smaller ones
                shapes = shapes[shapely.area(shapes) > pixel**2 / 8]  # noqa: PLW2901 - the rest would not be seen
            found.setdefault(kind, []).append(shapes)
    for kind, parts in found.items():
        yield kind, np.concatenate(parts)


def _read_lines(folder: Path) -> Iterator[tuple[str, Shapes]]:
    found: dict[str, list[Shapes]] = {}
    for name, classes in _LINES.items():
        for kind, shapes in _read(folder / f"{name}.parquet", {key: kind for key, (kind, _, _) in classes.items()}):
            found.setdefault(kind, []).append(shapes)
    for kind, parts in found.items():
        yield kind, np.concatenate(parts)


def _read(path: Path, classes: Mapping[str, str]) -> Iterator[tuple[str, Shapes]]:
    """Shapes by what their class is from afar, without what lies in tunnels."""
    if not path.exists():
        return
    with pq.ParquetFile(path) as file:
        names = [name for name in ("class", "tunnel", GEOMETRY) if name in file.schema_arrow.names]
        for batch in file.iter_batches(columns=names):
            table = pa.table(batch)
            if "tunnel" in names:
                table = table.filter(pc.invert(pc.fill_null(table["tunnel"], False)))
            kinds = pc.unique(table["class"]).to_pylist()
            for kind in kinds:
                if kind in classes:
                    column = table.filter(pc.equal(table["class"], kind))[GEOMETRY]
                    yield classes[kind], shapely.from_wkb(column.to_numpy())


def _merge_areas(kind: str, shapes: Shapes, zoom: int) -> Shapes:
    """Areas of a class for a zoom: what nearly touches is one, what is small is gone."""
    pixel = _PIXEL / 2**zoom
    if zoom == FARTHEST and kind not in _WHOLE:
        parts = shapes  # near enough to be drawn apart
    elif kind in _WHOLE:
        parts = shapely.get_parts(shapely.disjoint_subset_union_all(shapes))
    else:
        grown = shapely.disjoint_subset_union_all(_grow(shapes, _GAP * pixel))
        parts = _grow(shapely.get_parts(grown), -_GAP * pixel)  # part by part, which is ten times as quick
    parts = shapely.get_parts(shapely.make_valid(shapely.simplify(parts, pixel / 2)))
    parts = parts[shapely.get_dimensions(parts) == 2]  # noqa: PLR2004 - areas
    least = (1 if kind in _WHOLE else _LEAST) * pixel**2
    return np.array([_fill_holes(part, least) for part in parts[shapely.area(parts) >= least]], object)


def _put_on_grid(shapes: Shapes, zoom: int) -> Shapes:
    """Areas whose corners are on the grid of a tile, where they stay valid; those that are thinner than it are gone."""
    parts = shapely.get_parts(shapely.set_precision(shapes, _PIXEL / 2**zoom / _GRID))
    kept: Shapes = parts[~shapely.is_empty(parts)]
    return kept


def _grow(shapes: Shapes, by: float) -> Shapes:
    grown: Shapes = shapely.buffer(shapes, by, quad_segs=1, join_style="mitre", mitre_limit=2)
    return grown


def _fill_holes(shape: shapely.Geometry, least: float) -> shapely.Geometry:
    """Without the holes that are too small to be seen."""
    if not shapely.get_num_interior_rings(shape):
        return shape
    outer, *holes = shapely.get_rings(shape)
    kept = [hole for hole in holes if shapely.area(shapely.polygons(hole)) >= least]
    return shapely.polygons(outer, kept or None) if len(kept) < len(holes) else shape


def _merge_lines(kind: str, shapes: Shapes, zoom: int) -> Shapes:
    """Lines of a class for a zoom: those within a pixel are one, and short ones that lead nowhere are gone."""
    first, grid = _FIRST[kind]
    if zoom < first:
        return np.array([], object)
    pixel = _PIXEL / 2**zoom
    merged = shapely.simplify(shapes, pixel / 4)
    if grid:
        merged = shapely.union_all(merged, grid_size=grid * pixel)
    else:  # what the extract's edge cuts more than once has several parts
        merged = shapely.multilinestrings(shapely.get_parts(merged))
    parts: Shapes = shapely.get_parts(shapely.line_merge(merged) if merged.geom_type != "LineString" else merged)
    parts = shapely.simplify(parts[shapely.get_dimensions(parts) == 1], pixel / 2)
    length, loose = shapely.length(parts), _find_loose(parts)
    kept: Shapes = parts[(length >= _SHORT * pixel) & (~loose | (length >= _LOOSE * pixel))]
    return kept


def _find_loose(lines: Shapes) -> np.ndarray:
    """Which lines have an end that no other meets."""
    ends = [shapely.get_coordinates(shapely.get_point(lines, at)) for at in (0, -1)]
    _, places, counts = np.unique(np.concatenate(ends), axis=0, return_inverse=True, return_counts=True)
    alone = (counts == 1)[places.reshape(-1)]
    loose: np.ndarray = alone[: len(lines)] | alone[len(lines) :]
    return loose


def _build_rows(kind: str, zoom: int, shapes: Shapes) -> pa.RecordBatch:
    pieces = np.array([piece for shape in shapes for piece in subdivide(shape, _CORNERS)], object)
    if shapely.get_dimensions(pieces[0]) == 2:  # noqa: PLR2004 - areas
        pieces = _put_on_grid(pieces, zoom)
    pieces = _collect(pieces, zoom)
    return pa.record_batch(
        {
            "class": pa.array([kind] * len(pieces), pa.string()),
            "zoom": pa.array([zoom] * len(pieces), pa.int64()),
            GEOMETRY: pa.array(shapely.to_wkb(pieces), pa.binary()),
        }
    )


def _unite(parts: Shapes, zoom: int) -> Shapes:
    """Parts of which those that meet on the grid of a tile are one: few do, and the others stay as they are."""
    grid = _PIXEL / 2**zoom / _GRID
    one, other = shapely.STRtree(parts).query(parts, predicate="dwithin", distance=grid)
    meets = np.zeros(len(parts), bool)
    meets[one[one != other]] = True
    united = shapely.union_all(parts[meets], grid_size=grid)
    return np.concatenate([parts[~meets], shapely.get_parts(united)])


def _collect(pieces: Shapes, zoom: int) -> Shapes:
    """One row of what lies in one tile alone, and each piece that reaches into several as it is: few rows are quick."""
    tiles = (shapely.bounds(pieces) / (_PIXEL * 512) + 0.5) * 2**zoom
    margin = np.array([-1, -1, 1, 1]) * _BUFFER
    low, high = np.floor(tiles + margin)[:, :2], np.floor(tiles + margin)[:, 2:]
    alone = (low == high).all(axis=1)
    places, number = np.unique(low[alone], axis=0, return_inverse=True)
    order = np.argsort(number.reshape(-1), kind="stable")
    if not len(places):
        return pieces
    collect = shapely.multipolygons if shapely.get_dimensions(pieces[0]) == 2 else shapely.multilinestrings  # noqa: PLR2004 - areas
    whole: Shapes = collect(pieces[alone][order], indices=number.reshape(-1)[order])
    for at in np.flatnonzero(~shapely.is_valid(whole)):  # some of its areas overlap, or share an edge
        whole[at] = collect(_unite(shapely.get_parts(whole[at]), zoom))
    return np.concatenate([whole, pieces[~alone]])
