"""What was there before the city: the coast, the river and its tributaries, the islands, the hills' woods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from antillia.shapes import parts, ribbon, roughen, spline

_COAST = [
    (-3.2, -3.1), (-2.5, -2.3), (-1.75, -1.75), (-1.15, -1.35), (-0.5, -1.12), (0.15, -1.02), (0.9, -1.05),
    (1.6, -1.25), (2.15, -1.75), (2.5, -2.5), (3.1, -3.35), (3.9, -3.75), (4.6, -3.2), (4.55, -2.3), (5.5, -1.75),
    (6.9, -1.5), (7.8, -0.4), (7.5, 1.0), (8.3, 2.1), (7.6, 3.4), (6.2, 3.9), (5.2, 5.1), (3.5, 5.6), (2.2, 5.0),
    (0.8, 5.5), (-0.9, 6.2), (-2.6, 5.6), (-3.6, 4.8), (-5.2, 4.6), (-6.6, 3.6), (-6.2, 2.3), (-7.2, 1.2),
    (-6.7, -0.3), (-7.4, -1.6), (-6.3, -2.9), (-5.2, -2.7), (-4.2, -3.7),
]  # fmt: skip
_ISLANDS = {
    "Ilhéu de Saÿa": [(-0.55, -4.5), (-0.1, -4.15), (0.4, -4.3), (0.75, -4.65), (0.4, -5.05), (-0.15, -5.0)],
    "Ilhéu Tanmar": [(-8.5, 2.7), (-8.2, 2.95), (-7.95, 2.75), (-8.15, 2.45)],
    "Rochedo do Cágado": [(6.3, -3.1), (6.5, -3.0), (6.62, -3.2), (6.42, -3.33)],
}
_RIVER = [
    (-2.75, 3.75), (-2.2, 3.35), (-2.35, 2.7), (-1.6, 2.3), (-0.95, 1.75), (-1.3, 1.0), (-0.75, 0.45), (0.1, 0.62),
    (0.72, 0.2), (0.5, -0.45), (0.3, -0.95), (0.25, -1.6),
]  # fmt: skip
_LAKE = [(-3.5, 4.0), (-3.15, 4.2), (-2.75, 4.1), (-2.6, 3.75), (-2.85, 3.55), (-3.3, 3.65)]
_CANAL = [(-1.29, 1.02), (-1.55, 0.55), (-1.5, -0.1), (-1.2, -0.6), (-0.95, -1.05), (-0.9, -1.6)]
_STREAMS = {
    "Ribeira da Fajã": [(3.3, 4.0), (2.7, 3.1), (2.2, 2.7), (1.9, 1.9), (1.1, 1.5), (0.75, 1.0), (0.1, 0.62)],
    "Ribeira Sêca": [(-5.0, 2.3), (-4.1, 1.9), (-3.5, 2.05), (-2.7, 1.5), (-1.9, 1.45), (-1.28, 1.03)],
    "Ribeira de Ansolli": [(5.0, 3.6), (5.3, 2.5), (4.8, 1.5), (5.35, 0.5), (5.05, -0.6), (5.4, -1.2), (5.3, -2.3)],
    "Ribeira do Açor": [(-5.6, 0.9), (-5.1, 0.1), (-5.3, -0.8), (-4.8, -1.7), (-5.0, -2.3), (-4.9, -3.3)],
}


@dataclass(frozen=True)
class Geography:
    """Land without inland waters is `ground`; every geometry is in local metres."""

    land: BaseGeometry
    ground: BaseGeometry
    islands: dict[str, BaseGeometry]
    waters: list[tuple[str, str, BaseGeometry]]  # class, name, surface
    river: LineString
    courses: dict[str, LineString]


def build_geography() -> Geography:
    calm = np.array([(0.1, -1.0), (1.4, -1.2), (-1.0, -1.2)]) * 1000
    main = Polygon(roughen(spline(_COAST, closed=True, step=13), 260, calm, 11)).buffer(0)
    main = _add_harbour(max(parts(main), key=lambda part: part.area))
    islands = {
        name: Polygon(roughen(spline(ring, closed=True, step=14), 60, np.array([(1e6, 1e6)]), 20 + i)).buffer(0)
        for i, (name, ring) in enumerate(_ISLANDS.items())
    }
    land = shapely.union_all([main, *islands.values()])
    waters, courses, river = _build_waters(main)
    ground = land.difference(shapely.union_all([surface for _, _, surface in waters]))
    return Geography(land, ground, islands, waters, river, courses)


def _add_harbour(main: Polygon) -> Polygon:
    """Docks cut into the east shore of the bay, a mole and a breakwater that shelter them."""
    docks = [
        Polygon([(980, -1500), (1000, -880), (1180, -870), (1160, -1500)]),
        Polygon([(1330, -1600), (1350, -960), (1540, -960), (1520, -1600)]),
        Polygon([(-480, -1400), (-460, -960), (-250, -940), (-240, -1400)]),
    ]
    mole = LineString([(2300, -2000), (1700, -2080), (1250, -1960), (1060, -1820)]).buffer(26, cap_style="flat")
    west = LineString([(-1180, -1330), (-900, -1640), (-560, -1790)]).buffer(20, cap_style="flat")
    quay = Polygon([(700, -900), (720, -1230), (960, -1250), (1840, -1430), (1900, -1200), (1200, -800)])
    shaped = main.union(quay).difference(shapely.union_all(docks)).union(mole).union(west)
    return max(parts(shaped), key=lambda part: part.area)


def _build_waters(main: Polygon) -> tuple[list[tuple[str, str, BaseGeometry]], dict[str, LineString], LineString]:
    river = spline(_RIVER, step=30)
    canal = spline(_CANAL, step=30)
    courses = {"Rio Antuàb": LineString(river), "Canal de São Brandão": LineString(canal)}
    waters = [
        ("river", "Rio Antuàb", ribbon(river, 14, 92)),
        ("canal", "Canal de São Brandão", ribbon(canal, 26, 30)),
        (
            "lake",
            "Lagoa dos Açores",
            Polygon(roughen(spline(_LAKE, closed=True, step=20), 45, np.array([(1e6, 1e6)]), 31)).buffer(0),
        ),
    ]
    for name, points in _STREAMS.items():
        line = spline(points, step=40)
        courses[name] = LineString(line)
        waters.append(("stream", name, ribbon(line, 4, 11)))
    taken: BaseGeometry = Polygon()
    clipped = []
    for kind, name, surface in waters:
        own = surface.intersection(main).difference(taken)
        taken = taken.union(surface)
        clipped += [(kind, name, part) for part in parts(own) if part.area > 50]
    return clipped, courses, LineString(river)
