"""Districts that tile the land, along the river and the main streets; places with their names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from shapely import Point
from shapely.geometry.base import BaseGeometry

from antillia.geography import Geography
from antillia.shapes import parts
from antillia.streets import Edge

# The first seven bear the names of Antillia's seven cities on old charts; name, seat (km), people, kind
_DISTRICTS = [
    ("Sé e Alfândega", -0.35, -0.2, 14200), ("Antuàb", -0.4, 0.95, 10900), ("Ansalli", 1.1, -0.25, 11800),
    ("Ansessëli", -2.1, -0.6, 12700), ("Ansodi", 1.9, 0.9, 13900), ("Ansolli", 3.6, -0.8, 12100),
    ("Aïra", -0.4, 2.1, 12300), ("Côn", -3.6, 1.1, 7600), ("Jaÿsos", -3.1, -1.4, 6900),
    ("São Brandão", 6.9, 1.9, 8300), ("Fajã Grande", 3.3, 2.9, 3800), ("Marnlió", 5.0, 4.3, 2900),
    ("Vrá", 0.7, 4.9, 3600), ("Lagoa", -2.6, 4.6, 1500), ("Çyodne", -5.5, 3.2, 1900), ("Açor", -6.0, 0.9, 2300),
    ("Ponta do Sudoeste", -4.6, -2.3, 4100), ("Farol", 3.9, -2.9, 2600), ("Levante", 5.8, -0.6, 2200),
    ("Saÿa", 0.1, -4.6, 260),
]  # fmt: skip
# class, name, rank (1 = most important), people, x, y (km)
_PLACES = [
    ("city", "Antillia", 1, 135860, -0.35, -0.1), ("sea", "Mar dos Sargaços Brancos", 2, 0, -3.4, -5.0),
    ("sea", "Oceano Atlântico", 1, 0, 5.8, -4.4), ("bay", "Baía das Sete Cidades", 3, 0, 0.55, -2.6),
    ("bay", "Baía do Açor", 5, 0, -5.2, -3.35), ("bay", "Enseada de Vrá", 5, 0, 1.9, 5.45),
    ("bay", "Baía do Nordeste", 4, 0, 6.9, 4.4), ("bay", "Angra da Névoa", 5, 0, -6.95, 2.6),
    ("harbour", "Porto de Antillia", 4, 0, 1.45, -1.75), ("airport", "Aeroporto de Antillia", 4, 0, -5.9, -0.95),
    ("cape", "Ponta do Farol", 5, 0, 3.95, -3.62), ("cape", "Cabo Çyodne", 5, 0, -6.45, 3.55),
    ("cape", "Ponta Leste", 5, 0, 8.1, 2.1), ("peak", "Pico da Névoa", 4, 0, -4.2, 2.7),
    ("peak", "Serra de Antuàb", 5, 0, -1.2, 4.2), ("peak", "Outeiro das Faias", 6, 0, 2.1, 3.7),
    ("square", "Praça do Astrolábio", 7, 0, -0.35, -0.2), ("square", "Terreiro das Naus", 7, 0, 0.1, -0.85),
    ("suburb", "Alfama Nova", 6, 3900, -0.75, -0.55), ("suburb", "Cais Novo", 6, 2800, 1.25, -0.72),
    ("suburb", "Ribeirinha", 6, 3300, 0.3, 0.95), ("suburb", "Bairro das Naus", 6, 2100, 0.1, -0.3),
    ("suburb", "Encosta do Sol", 6, 4200, 1.5, 1.75), ("suburb", "Moinhos", 6, 3600, -1.7, 0.1),
    ("suburb", "Olivais", 6, 4700, 2.25, 0.1), ("suburb", "Quinta da Névoa", 6, 2600, 0.6, 2.1),
    ("suburb", "Boa Vista", 6, 3100, -2.7, -1.15), ("suburb", "Praia Lêste", 6, 3500, 4.1, -1.35),
    ("village", "Santa Bússola", 6, 900, -4.2, -2.75), ("village", "Pedra d'Água", 6, 700, -6.3, -2.05),
    ("village", "Nossa Maré", 6, 800, 6.3, -1.05), ("village", "Fontaínhas", 6, 640, -6.15, 1.55),
]  # fmt: skip


_WIDE = 8e5  # square metres: faces larger than this are open country and are split between their seats


@dataclass
class District:
    name: str
    shape: BaseGeometry
    people: int
    number: int


def build_districts(edges: list[Edge], geography: Geography) -> list[District]:
    """Faces between coast, river and main streets, each given to the nearest seat; every district is of one piece."""
    lines = [edge.line for edge in edges if edge.kind in ("motorway", "primary", "secondary")]
    inside = geography.land
    courses = [line.intersection(inside) for line in geography.courses.values()]
    seats = np.array([(x * 1000, y * 1000) for _, x, y, _ in _DISTRICTS])
    faces = _faces([inside.boundary, *lines, *courses], inside)
    wide = shapely.union_all([face for face in faces if face.area > _WIDE])
    faces = _faces([inside.boundary, *lines, *courses, _halfway(seats).intersection(wide)], inside)
    centres = shapely.get_coordinates(shapely.point_on_surface(np.array(faces, dtype=object)))
    owner = np.argmin(np.hypot(*(centres[:, None, :] - seats[None]).transpose(2, 0, 1)), axis=1)
    island = [name for name, *_ in _DISTRICTS].index("Saÿa")
    owner = _make_whole(faces, owner)
    for index, point in enumerate(centres):
        if point[1] < -3900:
            owner[index] = island
    result = []
    for number, (name, _, _, people) in enumerate(_DISTRICTS):
        own = shapely.union_all(
            np.array([faces[i] for i in np.flatnonzero(owner == number)], dtype=object), grid_size=0.01
        )
        result.append(District(name, own, people, number + 1))
    return result


def _faces(lines: list[BaseGeometry], inside: BaseGeometry) -> list[BaseGeometry]:
    noded = shapely.union_all(np.array(lines, dtype=object), grid_size=0.01)
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
    return [face for face in faces if inside.contains(face.representative_point())]


def _halfway(seats: np.ndarray) -> BaseGeometry:
    """Lines halfway between the seats, bent as if they followed ridges: borders where no street or water is."""
    cells = shapely.voronoi_polygons(
        shapely.multipoints(seats), only_edges=True, extend_to=shapely.box(-9e3, -6e3, 9e3, 7e3)
    )

    def bend(points: np.ndarray) -> np.ndarray:
        x, y = points[:, 0], points[:, 1]
        shift = np.column_stack([np.sin(y / 230) + np.sin(x / 410 + 1), np.sin(x / 260 + 2) + np.sin(y / 370)])
        return np.round(points + 45 * shift, 2)

    return shapely.transform(shapely.segmentize(cells, 60), bend)


def _make_whole(faces: list[BaseGeometry], owner: np.ndarray) -> np.ndarray:
    """Give the outlying bits of a district to the neighbour with the longest common border."""
    tree = shapely.STRtree(faces)
    for _ in range(4):
        for number in range(len(_DISTRICTS)):
            own = np.flatnonzero(owner == number)
            if len(own) < 2:
                continue
            pieces = parts(shapely.union_all(np.array([faces[i] for i in own], dtype=object)))
            largest = max(pieces, key=lambda part: part.area)
            for index in own:
                if largest.contains(faces[index].representative_point()):
                    continue
                shared: dict[int, float] = {}
                for other in tree.query(faces[index], predicate="intersects"):
                    if owner[other] != number:
                        border = faces[index].boundary.intersection(faces[other].boundary).length
                        shared[int(owner[other])] = shared.get(int(owner[other]), 0) + border
                if shared and max(shared.values()) > 0:
                    owner[index] = max(sorted(shared), key=lambda key: shared[key])
    return owner


@dataclass
class Place:
    kind: str
    name: str
    rank: int
    people: int
    point: Point


def _low_in(shape: BaseGeometry) -> Point:
    """Inside a shape, in its south: the middle is taken by a village's name."""
    west, south, east, north = shape.bounds
    return shape.intersection(shapely.box(west, south, east, south + (north - south) * 0.35)).representative_point()


def build_places(
    districts: list[District], geography: Geography, greens: list[tuple[str, str, BaseGeometry]]
) -> list[Place]:
    """What a map writes: city, districts, suburbs, villages, waters, islands, parks, heights."""
    places = [Place(kind, name, rank, people, Point(x * 1000, y * 1000)) for kind, name, rank, people, x, y in _PLACES]
    seats = {name: Point(x * 1000, y * 1000) for name, x, y, _ in _DISTRICTS}
    for district in districts:
        at = seats[district.name]
        at = at if district.shape.contains(at) else district.shape.representative_point()
        rural = district.people < 5000
        places.append(Place("village" if rural else "district", district.name, 4 if rural else 3, district.people, at))
    places += [
        Place("island", name, 4 + (i > 0), 0, _low_in(shape))
        for i, (name, shape) in enumerate(geography.islands.items())
    ]
    for kind, name, surface in geography.waters:
        if kind == "lake":
            places.append(Place("lake", name, 5, 0, surface.representative_point()))
    largest = {name: shape for _, name, shape in sorted(greens, key=lambda row: row[2].area)}
    greens = [row for row in greens if largest.get(row[1]) is row[2]]
    places += [
        Place(kind, name, 5 if shape.area > 5e5 else 6 if shape.area > 4e4 else 8, 0, shape.representative_point())
        for kind, name, shape in greens
    ]
    return places
