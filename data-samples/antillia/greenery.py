"""Parks, woods, cemeteries and beaches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely import Polygon
from shapely.geometry.base import BaseGeometry

from antillia.geography import Geography
from antillia.shapes import parts, roughen, spline

# class, name, outline (km)
_DRAWN = [
    ("garden", "Jardim do Astrolábio", [(-0.44, -0.23), (-0.36, -0.12), (-0.25, -0.16), (-0.3, -0.29)]),
    ("park", "Parque da Alameda", [(0.85, 0.55), (1.35, 0.62), (1.5, 1.0), (1.2, 1.3), (0.8, 1.15), (0.72, 0.8)]),
    ("garden", "Jardim Botânico", [(-1.22, 0.28), (-0.95, 0.38), (-0.85, 0.18), (-1.05, 0.0), (-1.27, 0.08)]),
    ("park", "Tapada de Ansessëli", [(-3.1, 0.75), (-2.55, 0.95), (-2.2, 0.65), (-2.35, 0.3), (-2.9, 0.3)]),
    ("park", "Parque das Sete Cidades", [(-1.0, 2.55), (-0.6, 2.85), (-0.1, 2.75), (-0.2, 2.4), (-0.7, 2.3)]),
    ("cemetery", "Cemitério do Alto", [(2.2, 1.55), (2.45, 1.6), (2.5, 1.35), (2.25, 1.25)]),
    ("park", "Parque do Farol", [(3.5, -3.15), (3.8, -3.05), (4.1, -3.2), (4.05, -3.55), (3.75, -3.55)]),
    ("golf", "Campo de Golfe da Encosta", [(5.6, 1.9), (6.1, 1.75), (6.2, 1.3), (5.75, 1.0), (5.5, 1.4)]),
    ("forest", "Mata de Antuàb", [(-2.1, 4.5), (-1.2, 5.0), (-0.5, 4.4), (-0.6, 3.5), (-1.5, 3.3), (-1.95, 3.8)]),
    ("forest", "Mata da Serra", [(-5.2, 3.2), (-4.3, 3.8), (-3.9, 3.0), (-4.4, 2.2), (-5.0, 2.1), (-5.5, 2.6)]),
    ("forest", "Pinhal do Açor", [(-6.5, 0.5), (-5.8, 0.7), (-5.6, -0.2), (-6.1, -0.9), (-6.5, -0.4)]),
    ("forest", "Mata das Faias", [(1.3, 4.1), (2.3, 4.2), (3.1, 3.9), (2.7, 3.4), (1.7, 3.1), (1.0, 3.4)]),
    ("forest", "Bosque de Ansolli", [(4.2, 2.6), (5.1, 2.9), (4.9, 1.9), (4.6, 1.2), (3.9, 1.4), (3.8, 2.1)]),
    ("forest", "Pinhal da Ponta", [(6.6, 3.4), (7.6, 3.1), (7.9, 2.4), (7.5, 2.5), (6.9, 2.9)]),
    ("forest", "Mata do Sudoeste", [(-4.6, -1.1), (-3.9, -1.3), (-3.9, -2.0), (-4.4, -2.3), (-4.7, -1.8)]),
]  # fmt: skip


@dataclass(frozen=True)
class Green:
    kind: str
    name: str
    shape: BaseGeometry


def draw_parks(geography: Geography) -> list[Green]:
    """The large parks and woods, which were there before the streets around them."""
    greens = []
    for index, (kind, name, outline) in enumerate(_DRAWN):
        ring = spline(outline, closed=True, step=20)
        if kind == "forest":
            ring = roughen(ring, 110, np.array([(1e6, 1e6)]), 50 + index)
        shape = Polygon(ring).buffer(0).intersection(geography.ground.buffer(-12))
        greens += [Green(kind, name, part) for part in parts(shape) if part.area > 4000]
    return greens


def obstacles(greens: list[Green]) -> BaseGeometry:
    """What streets go around."""
    return shapely.union_all([green.shape for green in greens if green.kind != "forest"])
