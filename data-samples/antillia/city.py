"""The city as a whole, from its coast to its houses; deterministic."""

from __future__ import annotations

from dataclasses import dataclass

import shapely
from shapely.geometry.base import BaseGeometry

from antillia.blocks import Building, build_blocks, build_houses
from antillia.districts import District, Place, build_districts, build_places
from antillia.field import Field, build_field
from antillia.geography import Geography, build_geography
from antillia.greenery import Green, draw_parks, obstacles
from antillia.landuse import Use, airfield, beaches, draw_paths, fields, pick_pocket_parks, solid, works
from antillia.names import Namer
from antillia.streets import Edge, cut_into_edges, trace_streets


@dataclass(frozen=True)
class City:
    """Everything in local metres."""

    geography: Geography
    field: Field
    greens: list[Green]
    edges: list[Edge]
    buildings: list[Building]
    districts: list[District]
    places: list[Place]
    water: BaseGeometry
    uses: list[Use]


def build_city() -> City:
    geography = build_geography()
    water = shapely.union_all([surface for _, _, surface in geography.waters])
    greens = draw_parks(geography)
    area, runway = airfield()
    closed = obstacles(greens).union(area)
    field = build_field(shapely.union_all([geography.ground.boundary, closed.boundary]))
    streets = trace_streets(field, geography, closed)
    namer = Namer(5)
    for street in streets:
        street.name = street.name or namer.street(street.naming or street.kind)
    streets += draw_paths(greens, geography)
    edges = cut_into_edges(streets, water, geography.land)
    blocks = build_blocks(
        [edge for edge in edges if edge.kind != "path"], geography.ground.intersection(solid(geography)), closed
    )
    blocks, pockets = pick_pocket_parks(blocks, field, works(geography), 8)
    buildings = build_houses(blocks, field, works(geography), 3)
    taken = shapely.union_all([*(green.shape for green in greens), area, works(geography)])
    uses = [Use("industrial", "", works(geography)), Use("airport", "Aeroporto de Antillia", area)]
    uses += [Use("runway", "", runway), *fields(edges, geography, taken, field, 6)]
    greens = [*greens, *beaches(geography), *pockets]
    districts = build_districts(edges, geography)
    places = build_places(districts, geography, [(g.kind, g.name, g.shape) for g in greens if g.name])
    return City(geography, field, greens, edges, buildings, districts, places, water, uses)
