"""What the ground is used for: port and works, airport, fields, beaches, pocket parks, and paths through the green."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely import LineString, Polygon
from shapely.geometry.base import BaseGeometry

from antillia.field import Field
from antillia.geography import Geography
from antillia.greenery import Green
from antillia.shapes import parts, spline
from antillia.streets import Edge, Street

_WORKS = [
    [(0.72, -0.83), (1.25, -0.83), (1.9, -1.05), (2.62, -0.55), (2.75, -1.0), (2.62, -1.5), (2.75, -2.3), (2.4, -2.3),
     (1.8, -1.6), (0.6, -1.6)],
    [(-2.95, 1.5), (-2.3, 2.1), (-1.75, 2.6), (-2.2, 2.75), (-3.0, 2.0)],
]  # fmt: skip
_AIRFIELD = [(-6.75, -1.75), (-5.05, -0.45), (-4.85, -0.8), (-5.6, -1.35), (-6.55, -2.0)]
_RUNWAY = [(-6.55, -1.72), (-5.1, -0.62)]
_BEACHES = [
    ("Praia de Jaÿsos", (-3.05, -2.95, -1.85, -1.7)), ("Praia Lêste", (4.4, -2.6, 5.9, -1.3)),
    ("Praia das Conchas", (2.3, -3.2, 2.9, -2.2)), ("Areal de São Brandão", (7.2, -0.2, 8.0, 1.3)),
    ("Praia de Vrá", (0.9, 4.6, 2.1, 5.6)), ("Praia de Saÿa", (-0.6, -5.2, 0.1, -4.6)),
    ("Praia do Açor", (-7.2, -0.4, -6.3, 0.7)),
]  # fmt: skip
_GREEN_WORDS = ["Jardim", "Jardim", "Largo", "Parque"]
_GREEN_OF = [
    "da Estrela", "das Rosas", "do Sol", "da Fonte", "dos Dragoeiros", "da Música", "das Naus", "do Lago", "da Bússola",
    "das Hortênsias", "do Coreto", "da Concórdia", "dos Cagarros", "da Lua", "do Moinho", "das Tílias", "da Bica",
    "do Relógio de Sol", "da Gávea", "dos Plátanos", "da Aurora", "do Arco", "da Maré", "do Miradouro", "das Camélias",
]  # fmt: skip


@dataclass(frozen=True)
class Use:
    kind: str
    name: str
    shape: BaseGeometry


def works(geography: Geography) -> BaseGeometry:
    """Where sheds stand instead of houses."""
    return shapely.union_all([Polygon(np.array(ring) * 1000) for ring in _WORKS]).intersection(solid(geography))


def solid(geography: Geography) -> BaseGeometry:
    """The land without moles and breakwaters."""
    return geography.land.buffer(-32).buffer(32)


def airfield() -> tuple[BaseGeometry, BaseGeometry]:
    """Grounds and runway."""
    return Polygon(np.array(_AIRFIELD) * 1000), LineString(np.array(_RUNWAY) * 1000).buffer(24, cap_style="flat")


def pick_pocket_parks(
    blocks: list[Polygon], field: Field, closed: BaseGeometry, seed: int
) -> tuple[list[Polygon], list[Green]]:
    """Take some blocks out of the built ones: gardens in the dense city, playing fields further out."""
    rng = np.random.default_rng(seed)
    names = [f"{word} {of}" for of in _GREEN_OF for word in dict.fromkeys(_GREEN_WORDS)]
    rng.shuffle(names)
    built, greens = [], []
    for block in blocks:
        middle = block.representative_point()
        density = field.density_at(middle.x, middle.y)
        round_enough = block.area / block.minimum_rotated_rectangle.area > 0.62
        chance = 0.03 + 0.02 * density
        if (
            density > 0.15
            and 1800 < block.area < 22_000
            and round_enough
            and rng.random() < chance
            and not closed.intersects(block)
        ):
            kind = (
                "pitch" if density < 0.5 and rng.random() < 0.35 else "playground" if rng.random() < 0.2 else "garden"
            )
            name = names.pop() if kind == "garden" and names else ""
            greens.append(Green(kind, name, block.buffer(-1)))
        elif block.area < 900 and density > 0.2 and rng.random() < 0.5:
            greens.append(Green("garden", "", block))
        else:
            built.append(block)
    return built, greens


def beaches(geography: Geography) -> list[Green]:
    """Strips of sand along some shores, wider in the middle of each."""
    strip = geography.land.difference(geography.land.buffer(-26)).intersection(geography.ground)
    found = []
    for name, (west, south, east, north) in _BEACHES:
        window = shapely.box(west * 1000, south * 1000, east * 1000, north * 1000)
        found += [Green("beach", name, part) for part in parts(strip.intersection(window)) if part.area > 4000]
    return found


def fields(edges: list[Edge], geography: Geography, taken: BaseGeometry, field: Field, seed: int) -> list[Use]:
    """Open country between the lanes, split into parcels that lie along the lanes."""
    rng = np.random.default_rng(seed)
    lanes = shapely.union_all(
        shapely.buffer(np.array([edge.line for edge in edges], dtype=object), 9, cap_style="flat")
    )
    country = geography.ground.buffer(-70).difference(lanes).difference(taken.buffer(14))
    found = []
    for face in parts(country):
        middle = face.representative_point()
        if face.area < 12_000 or field.density_at(middle.x, middle.y) > 0.12:
            continue
        for parcel in _parcels(face, field.angle(middle.x, middle.y), rng):
            draw = rng.random()
            if draw < 0.62:
                kind = "farmland" if draw < 0.4 else "meadow" if draw < 0.54 else "orchard"
                found += [
                    Use(kind, "", part)
                    for part in parts(parcel.buffer(-3, join_style="mitre").simplify(1.5))
                    if part.area > 2500
                ]
    return found


def _parcels(face: Polygon, angle: float, rng: np.random.Generator) -> list[BaseGeometry]:
    """Cut a face by a slightly crooked lattice turned to `angle`."""
    west, south, east, north = face.bounds
    reach = max(east - west, north - south)
    centre = np.array([(west + east) / 2, (south + north) / 2])
    across = np.round(np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]), 9)
    lines: list[BaseGeometry] = [face.boundary]
    for axis, mean in ((0, 260.0), (1, 150.0)):
        position = -reach
        while position < reach:
            lean = float(rng.uniform(-25, 25))
            ends = np.array([(position - lean, -reach), (position + lean, reach)])
            lines.append(LineString(np.round(centre + (ends if axis == 0 else ends[:, ::-1]) @ across, 2)))
            position += mean * float(rng.uniform(0.6, 1.5))
    pieces = shapely.get_parts(shapely.polygonize(shapely.get_parts(shapely.node(shapely.union_all(lines)))))
    return [piece for piece in pieces if face.contains(piece.representative_point())]


def draw_paths(greens: list[Green], geography: Geography) -> list[Street]:
    """Walks around and across the parks, forest trails, and the trail along the cliffs."""
    rng = np.random.default_rng(9)
    streets = []
    for green in greens:
        if green.kind in ("pitch", "playground", "beach", "golf") or green.shape.area < 9000:
            continue
        inner = green.shape.buffer(-30 if green.kind == "forest" else -16).simplify(6)
        for part in parts(inner):
            name = "" if green.kind == "forest" else f"Passeio {_after(green.name)}"
            if green.kind != "forest":
                streets.append(Street(LineString(part.exterior.coords), "path", name))
            streets += [
                Street(line, "path", "Trilho da Mata" if green.kind == "forest" else "")
                for line in _walks(part, green, rng)
            ]
    main = max(parts(geography.land), key=lambda part: part.area)
    cliffs = main.buffer(-60).buffer(34).simplify(4).boundary.difference(shapely.box(-3300, -2700, 2700, 600))
    streets += [
        Street(line, "path", "Trilho da Costa")
        for line in shapely.get_parts(shapely.line_merge(cliffs))
        if line.length > 500
    ]
    return streets


def _after(name: str) -> str:
    return " ".join(name.split(" ")[1:]) if " " in name else name


def _walks(part: Polygon, green: Green, rng: np.random.Generator) -> list[LineString]:
    """Crooked walks from edge to edge that meet near the middle."""
    middle = np.array(part.representative_point().coords[0])
    ring = part.exterior
    count = 5 if green.shape.area > 60_000 else 3
    start = float(rng.random())
    walks = []
    for number in range(count):
        end = np.array(ring.interpolate((start + number / count) % 1, normalized=True).coords[0])
        bend = (middle + end) / 2 + rng.uniform(-0.16, 0.16, 2) * float(np.hypot(*(end - middle)))
        points = np.round(np.array([middle, bend, end]) / 1000, 4)
        line = LineString(spline([tuple(point) for point in points], step=25)).intersection(green.shape)
        walks += [item for item in shapely.get_parts(line) if isinstance(item, LineString) and item.length > 20]
    return walks
