"""The street network: motorways and country roads by hand, everything else traced through the direction field."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import shapely
from shapely import LineString
from shapely.geometry.base import BaseGeometry

from antillia.field import Field
from antillia.geography import Geography
from antillia.shapes import spline
from antillia.tracing import Tracer, clip, join_ends

CLASSES = ["motorway", "primary", "secondary", "residential", "path"]
WIDTHS = {"motorway": 24.0, "primary": 16.0, "secondary": 12.0, "residential": 8.0, "path": 3.0}

_MOTORWAYS = [
    [(-5.75, -1.35), (-4.4, -0.95), (-3.35, 0.1), (-2.75, 1.35), (-1.75, 2.65), (-0.3, 3.0), (1.2, 2.6), (2.55, 1.75),
     (2.95, 0.5), (2.65, -0.5), (1.9, -1.02)],
    [(1.2, 2.6), (2.9, 3.35), (4.6, 3.35), (6.0, 2.6), (6.45, 2.2)],
]  # fmt: skip
_COUNTRY = [
    [(-4.4, -0.95), (-5.4, 0.5), (-6.15, 1.55), (-5.7, 2.9), (-5.3, 3.8), (-3.9, 4.35), (-2.3, 5.1), (-0.8, 5.5),
     (0.7, 4.9), (2.2, 4.5), (3.6, 5.05), (4.9, 4.35), (6.0, 3.4), (6.9, 2.1), (6.95, 0.9), (7.0, -0.2), (6.2, -1.05),
     (5.1, -1.45), (4.1, -1.85), (3.0, -1.6), (2.65, -0.5)],
    [(-0.3, 3.0), (-0.15, 3.8), (0.4, 4.4), (0.7, 4.9)],
    [(-2.9, -0.7), (-3.5, -1.7), (-4.2, -2.75), (-5.3, -2.3), (-6.3, -2.1), (-6.2, -1.6), (-5.75, -1.35)],
    [(4.1, -1.85), (3.95, -2.6), (3.85, -3.3)],
    [(-2.75, 1.35), (-3.6, 1.1), (-4.6, 2.7), (-5.3, 3.8)],
    [(3.3, 2.95), (3.6, 3.9), (3.6, 5.05)],
    [(2.95, 0.5), (4.2, 0.6), (5.4, 1.2), (6.9, 0.9)],
    [(-3.9, 4.35), (-3.5, 3.45), (-2.5, 2.9), (-1.75, 2.65)],
    [(-0.2, -4.7), (0.1, -4.5), (0.35, -4.45), (0.45, -4.7)],
]  # fmt: skip

_AVENUES = [
    ("Avenida Marginal", [(-2.35, -2.0), (-1.7, -1.55), (-1.2, -1.24), (-0.9, -1.06), (-0.45, -0.9), (0.3, -0.88),
     (0.75, -0.8), (1.25, -0.8), (1.9, -1.02)]),
    ("Avenida das Sete Cidades", [(-3.35, 0.1), (-2.2, -0.2), (-1.5, -0.25), (-0.75, -0.42), (-0.1, -0.5), (0.55,
    -0.42),
     (1.3, -0.3), (2.0, 0.05), (2.95, 0.5)]),
    ("Avenida do Norte", [(-0.3, 3.0), (-0.3, 2.2), (-0.1, 1.45), (-0.25, 0.75), (-0.3, 0.3), (-0.12, -0.2), (-0.1,
    -0.5),
     (0.0, -0.89)]),
    ("Alameda de Ansodi", [(-0.12, -0.2), (0.3, 0.2), (0.72, 0.42), (1.6, 0.6), (2.3, 0.95), (2.75, 1.2)]),
    ("Avenida do Poente", [(-2.75, 1.35), (-2.0, 1.05), (-1.5, 0.74), (-1.12, 0.49), (-0.8, 0.31), (-0.5, 0.17),
    (-0.2, -0.02)]),
    ("Estrada de Ansolli", [(2.65, -0.5), (3.5, -0.85), (4.3, -1.15), (5.1, -1.45)]),
]  # fmt: skip


@dataclass
class Street:
    """One whole street, before it is cut at its crossings."""

    line: LineString
    kind: str
    name: str = ""
    naming: str = ""  # which words its name may have; empty: those of its class


def trace_streets(field: Field, geography: Geography, parks: BaseGeometry) -> list[Street]:
    """Every street of the city, widest class first."""
    rng = np.random.default_rng(7)
    motorways = [LineString(spline(points)) for points in _MOTORWAYS]
    country = [LineString(spline(points, step=40)) for points in _COUNTRY]
    tracer = Tracer(field)
    for line in [*motorways, *country]:
        for family in tracer.families:
            family.add_line(line)
    avenues = [Street(LineString(spline(points, step=40)), "primary", name) for name, points in _AVENUES]
    for street in avenues:
        tracer.families[_across(field, street.line)].add_line(street.line)
    quays = _quays(field, geography)
    built = _zone(geography.land.buffer(-14), parks, tracer)
    dry = _zone(geography.ground.buffer(-9), parks, tracer)
    streets = [Street(line, "motorway") for line in motorways] + [Street(line, "secondary") for line in country]
    streets = [*avenues, *streets]
    plans = [
        ("primary", lambda x, y: built(x, y, 0.2), lambda *_: 620.0, 1100.0, 9000),
        ("secondary", lambda x, y: built(x, y, 0.12), lambda *_: 250.0, 350.0, 14000),
        ("lane", lambda x, y: dry(x, y, -1), lambda *_: 480.0, 500.0, 5000),
        ("residential", lambda x, y: dry(x, y, 0.1), lambda x, y: _spacing(field, x, y), 70.0, 60000),
    ]
    for kind, inside, apart, shortest, count in plans:
        if kind == "lane":
            streets += [Street(line, "secondary") for line in quays]
            for line in quays:
                tracer.families[_across(field, line)].add_line(line)
        seeds = [(round(x, 1), round(y, 1)) for x, y in rng.uniform((-7000, -5200), (8000, 5600), (count, 2))]
        found = tracer.trace_all(seeds, inside, apart, shortest)
        found = join_ends(found, [street.line for street in streets], lambda x, y, a=apart: a(x, y) * 1.1 + 20)
        area = geography.ground if kind in ("residential", "lane") else geography.land
        drawn_as = "residential" if kind == "lane" else kind
        streets += [Street(line, drawn_as, naming=kind) for line in clip(found, area.buffer(-4), 30)]
    return streets


def _across(field: Field, line: LineString) -> int:
    """Which family a drawn line belongs to: 0 along the field, 1 across it; its middle decides."""
    a, b = (line.interpolate(share, normalized=True) for share in (0.49, 0.51))
    away = math.remainder(math.atan2(b.y - a.y, b.x - a.x) - field.angle(a.x, a.y), math.pi)
    return int(abs(away) > math.pi / 4)


def _quays(field: Field, geography: Geography) -> list[LineString]:
    """Streets on both banks of river and canal, where the city is dense."""
    main = max(shapely.get_parts(geography.land), key=lambda part: part.area)
    banks = shapely.union_all([surface for kind, _, surface in geography.waters if kind in ("river", "canal")])
    window = shapely.box(-1900, -1150, 1100, 2350).intersection(main.buffer(-60))
    quays = banks.buffer(17).simplify(1).boundary.intersection(window)
    found = []
    for part in shapely.get_parts(shapely.line_merge(quays)):
        middle = part.interpolate(0.5, normalized=True)
        if part.length > 120 and field.density_at(middle.x, middle.y) > 0.22:
            found.append(part.simplify(2))
    return sorted(found, key=lambda part: -part.length)


def _spacing(field: Field, x: float, y: float) -> float:
    return 62 + 75 * max(0.0, 1 - field.density_at(x, y) * 1.4)


def _zone(area: BaseGeometry, parks: BaseGeometry, tracer: Tracer):  # type: ignore[no-untyped-def]
    """A test `(x, y, density) -> bool` on a raster of 10 m, since it is asked a million times."""
    west, south, cell = -7600.0, -5400.0, 10.0
    x, y = np.meshgrid(np.arange(west, 8600, cell), np.arange(south, 6400, cell))
    shape = area.difference(parks)
    shapely.prepare(shape)
    rows = (shapely.contains_xy(shape, x.ravel(), y.ravel())).reshape(x.shape).tolist()

    def inside(px: float, py: float, density: float) -> bool:
        column, row = int((px - west) / cell), int((py - south) / cell)
        if not (0 <= row < len(rows) and 0 <= column < len(rows[0])) or not rows[row][column]:
            return False
        return tracer.field.density_at(px, py) > density

    return inside


@dataclass
class Edge:
    """A piece of street between two crossings."""

    line: LineString
    kind: str
    name: str
    bridge: bool


def cut_into_edges(streets: list[Street], water: BaseGeometry, land: BaseGeometry) -> list[Edge]:
    """Node the network, mark bridges, drop streets that run in the water and stubs that lead nowhere."""
    lines = np.array([street.line for street in streets], dtype=object)
    banks = water.boundary
    noded = shapely.get_parts(shapely.union_all(np.array([*lines, banks], dtype=object), grid_size=0.01))
    tree = shapely.STRtree(lines)
    shapely.prepare(water)
    edges = []
    for piece in noded:
        middle = piece.interpolate(0.5, normalized=True)
        near = tree.query(middle, predicate="dwithin", distance=0.05)
        if not len(near):
            continue
        street = streets[min(near)]
        wet = water.contains(middle)
        if wet and (street.kind == "residential" or piece.length > 190) and piece.length > 16:
            continue
        if not land.contains(middle):
            continue
        edges.append(Edge(piece, street.kind, street.name, bool(wet)))
    for _ in range(3):
        edges = _drop_stubs(edges)
    return edges


def _drop_stubs(edges: list[Edge]) -> list[Edge]:
    degree: dict[tuple[float, float], int] = {}
    for edge in edges:
        for end in (edge.line.coords[0], edge.line.coords[-1]):
            degree[end] = degree.get(end, 0) + 1
    kept = []
    for edge in edges:
        loose = min(degree[edge.line.coords[0]], degree[edge.line.coords[-1]]) == 1
        if loose and (edge.bridge or edge.line.length < (45 if edge.kind == "residential" else 30)):
            continue
        kept.append(edge)
    return kept
