"""What a small map of a dataset shows: the ground of the city, or else the world's coast, and where the rows lie."""

from __future__ import annotations

import asyncio
import math
from bisect import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mercantile

from geoserver import styling
from geoserver.database.previews import Frame, read_cells, read_shapes
from geoserver.errors import NotFoundError, UnavailableError
from geoserver.filtering import build
from geoserver.grid import MERCATOR_HALF, intersects
from geoserver.model import GEOMETRIES, Bounds, Tile
from geoserver.tilesets import render_world

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.access import View
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer

__all__ = ["Drawn", "Ground", "Mark", "Sketch", "build_frame", "list_ground", "sketch"]

type Colours = tuple[str, ...]

SIZE = (720, 480)  # pixels
_MARGIN = 0.07  # of the width, around the data
_LEAST = 1_500.0  # metres across, so that one point still has a surrounding
_FEW = 3_000  # rows that are drawn one by one
_MOST_SHAPES = 2_500
_FINE, _COARSE = 2, 9  # pixels of a cell, for few rows and for many
_SIZES = (3.0, 4.0, 5.2, 6.6, 8.4)  # pixels of a mark, by how many rows it stands for
_WORLD = 6  # the last zoom that has the world's coast
# Layers of the basemap that make the ground, in the order in which they are drawn: which shapes, how many, how.
_GROUND = (
    ("land", "polygons", 400),
    ("parks", "polygons", 200),
    ("water", "polygons", 300),
    ("streets", "lines", 700),
)


@dataclass(frozen=True, slots=True)
class Ground:
    """One layer of the ground: `kind` is land, parks, water or streets."""

    kind: str
    paths: Sequence[str]


@dataclass(frozen=True, slots=True)
class Mark:
    """So many places of one size, as (x, y) in pixels."""

    size: float
    places: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """The data: shapes as data of SVG paths, or marks; of the style's colours the first that can be seen is taken."""

    paths: Sequence[str] = ()
    marks: Sequence[Mark] = ()
    areas: bool = False
    light: Colours = ()
    dark: Colours = ()


@dataclass(frozen=True, slots=True)
class Sketch:
    """It is `whole` where nothing was left out for want of an answer."""

    frame: Frame
    ground: Sequence[Ground]
    data: Drawn
    whole: bool = True


def build_frame(bounds: Bounds, limits: Bounds | None, size: tuple[int, int] = SIZE) -> Frame:
    """What is seen around a layer; where rows are misplaced, what of it lies within the city's limits."""
    ratio = size[0] / size[1]
    if limits is not None and intersects(bounds, limits) and bounds.west <= bounds.east and limits.west <= limits.east:
        edges = zip(bounds.as_list(), limits.as_list(), (max, max, min, min), strict=True)
        bounds = Bounds(*(pick(own, most) for own, most, pick in edges))
    east = bounds.east + 360 if bounds.east < bounds.west else bounds.east
    (west, south), (_, north) = (mercantile.xy(lon, max(-85.0, min(85.0, lat))) for lon, lat in _corners(bounds))
    right = east / 180 * MERCATOR_HALF
    width = max((right - west) * (1 + 2 * _MARGIN), (north - south) * (1 + 2 * _MARGIN) * ratio, _LEAST)
    x, y = (west + right) / 2, (south + north) / 2
    half = width / 2, width / ratio / 2
    return Frame(x - half[0], y - half[1], x + half[0], y + half[1], size[0])


def _corners(bounds: Bounds) -> tuple[tuple[float, float], tuple[float, float]]:
    return (bounds.west, bounds.south), (bounds.east, bounds.north)


async def list_ground(view: View) -> list[tuple[Layer, LayerStatus]]:
    """Layers of the basemap that the reader may see and the ground is drawn of."""
    found = []
    for name, geometry, _ in _GROUND:
        try:
            layer, status = await view.layer(name)
        except (NotFoundError, UnavailableError):
            continue
        if layer.basemap and layer.has_rows and layer.geometry == geometry:
            found.append((layer, status))
    return found


async def sketch(
    view: View,
    seen: tuple[Layer, LayerStatus] | None,
    ground: Sequence[tuple[Layer, LayerStatus]],
    frame: Frame,
    *,
    sharpness: int,
) -> Sketch:
    """Read what is drawn of a layer; without what the database cannot tell in time. None: the ground alone."""
    zoom = min(max(math.floor(math.log2(2 * MERCATOR_HALF / 512 / frame.pixel)), 0), 14)
    most = {name: number for name, _, number in _GROUND}
    drawn: list[Ground] = []
    data, whole = Drawn(), seen is not None
    database = view.services.database
    try:
        for one, state in ground:
            if seen is None or one.id != seen[0].id:
                where = build(one, state)
                paths = await read_shapes(
                    database, one, where, frame, zoom=zoom + 1, most=most[one.id], fine=0.8 / sharpness
                )
                drawn.append(Ground(one.id, paths))
        if seen is not None and seen[0].has_rows:
            data = await _read_data(view, seen, frame, zoom, sharpness)
    except UnavailableError:
        whole = False
    if not any(part.kind == "land" and part.paths for part in drawn):
        drawn.insert(0, Ground("land", await asyncio.to_thread(_draw_world, frame)))
    return Sketch(frame, drawn, data, whole)


async def _read_data(view: View, seen: tuple[Layer, LayerStatus], frame: Frame, zoom: int, sharpness: int) -> Drawn:
    layer, status = seen
    database, where = view.services.database, build(layer, status)
    light, dark = _find_colours(view, layer)
    if layer.geometry != "points":
        paths = await read_shapes(database, layer, where, frame, zoom=zoom + 2, most=_MOST_SHAPES, fine=0.5 / sharpness)
        # Of many small shapes hardly one can be seen: then where they lie says more.
        if 2 * len(paths) >= min(status.rows, _MOST_SHAPES):
            return Drawn(paths, areas=layer.geometry == "polygons", light=light, dark=dark)
    cell = _FINE if status.rows <= _FEW else _COARSE
    cells = await read_cells(database, layer, status, where, frame, cell=cell)
    return Drawn(marks=_build_marks(cells, cell, status.rows), light=light, dark=dark)


def _build_marks(cells: Sequence[tuple[int, int, int]], cell: int, rows: int) -> list[Mark]:
    """Marks by size, the smallest first; few rows have all the same, the larger the fewer there are."""
    few = len(_SIZES) - 1 - bisect((100, 300, 1_000), rows) if rows <= _FEW else None
    most = max((count for _, _, count in cells), default=1)
    sizes: dict[float, list[tuple[int, int]]] = {}
    for column, row, count in cells:
        step = min(int(math.sqrt(count / most) * len(_SIZES)), len(_SIZES) - 1) if few is None else few
        sizes.setdefault(_SIZES[step], []).append((column * cell + cell // 2, row * cell + cell // 2))
    return [Mark(size, sorted(places)) for size, places in sorted(sizes.items())]


def _find_colours(view: View, layer: Layer) -> tuple[Colours, Colours]:
    """Of a layer whose style gives all of it one look: on light ground and on dark, fill and then edge; else none."""
    legend = styling.build_legend(view.catalog, layer)
    if len(legend) != 1 or layer.geometry not in GEOMETRIES:
        return (), ()
    light = legend[0]
    dark = {**light, **light.get("dark", {})}
    first, second = (tuple(each[key] for key in ("color", "stroke") if key in each) for each in (light, dark))
    return first, second


def _draw_world(frame: Frame) -> list[str]:
    """The land of the world, as far as it is built in."""
    from mapbox_vector_tile import decode  # noqa: PLC0415 - takes long to read, and is rarely needed

    across = frame.east - frame.west
    zoom = min(max(math.floor(math.log2(2 * MERCATOR_HALF / across)), 0), _WORLD)
    side = 2 * MERCATOR_HALF / 2**zoom
    columns = range(
        math.floor((frame.west + MERCATOR_HALF) / side), math.floor((frame.east + MERCATOR_HALF) / side) + 1
    )
    rows = range(math.floor((MERCATOR_HALF - frame.north) / side), math.floor((MERCATOR_HALF - frame.south) / side) + 1)
    paths = []
    for column in columns:
        for row in rows:
            if not 0 <= row < 2**zoom:
                continue
            try:
                tile = decode(
                    render_world("land", Tile(zoom, column % 2**zoom, row)), default_options={"y_coord_down": True}
                )
            except NotFoundError:  # the viewer is not built
                return []
            left, top = column * side - MERCATOR_HALF, MERCATOR_HALF - row * side
            for feature in tile.get("land", {}).get("features", ()):
                path = _draw_polygons(feature["geometry"], left, top, side / tile["land"]["extent"], frame)
                paths.append(path)
    return paths


def _draw_polygons(geometry: dict[str, object], left: float, top: float, step: float, frame: Frame) -> str:
    parts = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    rings = [ring for part in parts for ring in part]  # type: ignore[attr-defined]  # as GeoJSON has them
    return " ".join(
        "M "
        + " L ".join(
            f"{(left + x * step - frame.west) / frame.pixel:.1f} {(frame.north - top + y * step) / frame.pixel:.1f}"
            for x, y in ring
        )
        + " Z"
        for ring in rings
    )
