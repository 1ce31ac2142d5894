"""The layers of a basemap made from OpenStreetMap: the sample city's own, and a few that it has no need of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoserver.fieldtypes import FieldType

__all__ = ["ATTRIBUTION", "FARTHEST", "LICENCE", "SHEETS", "Sheet"]

LICENCE = "ODbL-1.0"
ATTRIBUTION = "© OpenStreetMap contributors"
FARTHEST = 12  # the last zoom at which most is drawn as it is from afar

_NAMED: dict[str, FieldType] = {"class": "text", "name": "text"}
_RAILWAY: dict[str, FieldType] = {**_NAMED, "bridge": "boolean", "tunnel": "boolean"}
_STREET: dict[str, FieldType] = {
    **_NAMED,
    "ref": "text",
    "rank": "integer",
    "bridge": "boolean",
    "tunnel": "boolean",
    "oneway": "boolean",
    "width": "number",
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One layer: what its file says. `languages` is whether names in other languages stand beside `name`, `recipe` the
    one of its tiles, where it is not that of its kind.
    """

    id: str
    title: str
    description: str
    kind: str
    fields: dict[str, FieldType] = field(default_factory=lambda: dict(_NAMED))
    units: dict[str, str] = field(default_factory=dict)
    languages: bool = True
    minzoom: int = 0
    maxzoom: int = 0  # 0 for that of all layers
    recipe: str = ""


_NEAR = FARTHEST + 1

_LIST = (
    Sheet(
        "afar",
        "From afar",
        "Land and what covers it, water, main streets and railways, merged and simplified for each zoom.",
        "polygons",
        {"class": "text", "zoom": "integer"},
        languages=False,
        maxzoom=FARTHEST,
        recipe="afar",
    ),
    Sheet(
        "land",
        "Land",
        "Land as the coast bounds it, and what stands or grows on it.",
        "polygons",
        minzoom=_NEAR,
        recipe="cover",
    ),
    Sheet(
        "plazas",
        "Plazas",
        "Squares and what else belongs to those on foot.",
        "polygons",
        minzoom=13,
        recipe="cover",
    ),
    Sheet(
        "coast",
        "Coast",
        "Where land and sea meet, inside the extract.",
        "lines",
        {"class": "text"},
        languages=False,
    ),
    Sheet(
        "beyond",
        "Beyond the extract",
        "Around the extract, where nothing is known: without a coast in it, it is taken to be land. And its inside.",
        "polygons",
        {"class": "text"},
        languages=False,
        minzoom=5,
    ),
    Sheet(
        "water",
        "Water",
        "Lakes, reservoirs, docks and wide rivers; the sea is where no land is.",
        "polygons",
        minzoom=_NEAR,
        recipe="cover",
    ),
    Sheet("waterways", "Waterways", "Rivers, canals and streams as lines.", "lines", minzoom=_NEAR, recipe="network"),
    Sheet(
        "parks",
        "Parks and woods",
        "Parks, gardens, woods, cemeteries, golf courses and beaches.",
        "polygons",
        {**_NAMED, "hectares": "number"},
        {"hectares": "ha"},
        minzoom=_NEAR,
        recipe="cover",
    ),
    Sheet(
        "greens",
        "Lawns and pitches",
        "Lawns, gardens, pitches and playgrounds: what is too small to be seen from afar.",
        "polygons",
        languages=False,
        minzoom=13,
        recipe="cover",
    ),
    Sheet(
        "boundaries",
        "Boundaries",
        "Borders of countries, states, districts and municipalities on land.",
        "lines",
        {"class": "text", "level": "integer"},
        languages=False,
    ),
    Sheet(
        "railways",
        "Railways",
        "Railways and light railways.",
        "lines",
        _RAILWAY,
        languages=False,
        minzoom=_NEAR,
        recipe="network",
    ),
    Sheet(
        "tracks",
        "Trams and sidings",
        "Trams, underground railways, sidings and yards.",
        "lines",
        _RAILWAY,
        languages=False,
        minzoom=13,
        recipe="network",
    ),
    Sheet(
        "streets",
        "Streets",
        "Main streets by class.",
        "lines",
        _STREET,
        {"width": "m"},
        minzoom=_NEAR,
        recipe="network",
    ),
    Sheet(
        "side-streets",
        "Side streets",
        "Streets where people live.",
        "lines",
        _STREET,
        {"width": "m"},
        minzoom=_NEAR,
        recipe="network",
    ),
    Sheet(
        "paths",
        "Paths",
        "Paths, service roads and underground ways.",
        "lines",
        _STREET,
        {"width": "m"},
        minzoom=14,
        recipe="network",
    ),
    Sheet(
        "road-numbers",
        "Road numbers",
        "Main roads with their numbers.",
        "lines",
        {"class": "text", "ref": "text"},
        languages=False,
        minzoom=8,
    ),
    Sheet(
        "buildings",
        "Buildings",
        "Footprints with height.",
        "polygons",
        {**_NAMED, "height": "number", "levels": "integer", "year": "integer"},
        {"height": "m"},
        languages=False,
        minzoom=14,
    ),
    Sheet(
        "places",
        "Places",
        "Names of places, with their importance.",
        "points",
        {"kind": "text", **_NAMED, "rank": "integer", "population": "integer"},
        recipe="places",
    ),
    Sheet(
        "landmarks",
        "Landmarks",
        "What one finds one's way by: stations, hospitals, schools, museums.",
        "points",
        {"kind": "text", **_NAMED, "rank": "integer"},
        minzoom=13,
    ),
    Sheet(
        "house-numbers",
        "House numbers",
        "Numbers of houses, with their street.",
        "points",
        {"number": "text", "street": "text", "postcode": "text"},
        languages=False,
        minzoom=16,
        recipe="numbers",
    ),
)

SHEETS: dict[str, Sheet] = {sheet.id: sheet for sheet in _LIST}
